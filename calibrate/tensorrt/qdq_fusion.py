"""Remove the Q/DQ pairs that :mod:`calibrate.quantisation.qdq_placement` adds and TensorRT cannot fuse.

TensorRT fuses convolution, addition, ReLU and the quantisation of the result into one kernel only if no Q/DQ pair is
between them. So the input of an addition that comes straight from a convolution has no pair. The other input, the
residual, keeps its pair, so that the kernel reads it in INT8. All readers of a tensor share one pair, because each
further QuantizeLinear would be a kernel of its own.

Source: "Q/DQ Layer-Placement Recommendations" in the TensorRT documentation.
"""

from __future__ import annotations

import onnx

from calibrate.quantisation.onnx_graph import Graph, attributes, copied, set_nodes
from calibrate.quantisation.qdq_placement import Pair, only_into_relu, pairs_after_sums, remove_pairs


def fusible(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model without the pairs that prevent fusion. Its outputs differ only by fewer roundings."""
    return remove_pairs(shared(model), lambda graph, pair: only_into_relu(graph, pair) or _main_branch(graph, pair))


def shared(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model with equal QuantizeLinear and DequantizeLinear nodes merged."""
    result = copied(model)
    outputs = {o.name for o in result.graph.output}
    first: dict[tuple[str, ...], str] = {}
    renamed: dict[str, str] = {}
    nodes: list[onnx.NodeProto] = []
    for node in result.graph.node:
        node.input[:] = [renamed.get(name, name) for name in node.input]
        if node.op_type in {"QuantizeLinear", "DequantizeLinear"} and node.output[0] not in outputs:
            axis = str(attributes(node).get("axis", ""))
            same = first.setdefault((node.op_type, axis, *node.input), node.output[0])
            if same != node.output[0]:
                renamed[node.output[0]] = same
                continue
        nodes.append(node)
    set_nodes(result, nodes)
    return result


def _main_branch(graph: Graph, pair: Pair) -> bool:
    takers = graph.consumers[pair.output]
    if [t.op_type for t in takers] != ["Add"] or graph.producer[pair.input].op_type == "Add":
        return False
    # If both inputs come from convolutions, the first is treated as the main branch.
    others = [
        p
        for p in pairs_after_sums(graph)
        if p.output == takers[0].input[0] and graph.producer[p.input].op_type != "Add"
    ]
    return pair.output == takers[0].input[0] or not others
