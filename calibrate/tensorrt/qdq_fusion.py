"""An INT8 file as TensorRT fuses it: what :mod:`calibrate.quantisation.qdq_placement` adds for ONNX Runtime goes again.

TensorRT makes one kernel of convolution, addition and ReLU, and quantises what comes out, only where nothing stands
between them. Of an addition's two inputs the one straight from a convolution has no pair; the other, the residual,
keeps its pair, so that the kernel reads it in eight bits. One pair serves all who read a tensor, for each further
QuantizeLinear would be a kernel of its own.

Source: "Q/DQ Layer-Placement Recommendations" in the TensorRT documentation.
"""

from __future__ import annotations

import onnx

from calibrate.quantisation.onnx_graph import Graph, attributes, copied, remove_unread_constants, set_nodes
from calibrate.quantisation.qdq_placement import Pair, only_into_relu, pairs_after_sums, remove_pairs


def fusible(model: onnx.ModelProto) -> onnx.ModelProto:
    """Without the pairs that keep TensorRT from fusing. The function is the same but for fewer roundings."""
    return remove_pairs(shared(model), lambda graph, pair: only_into_relu(graph, pair) or _main_branch(graph, pair))


def shared(model: onnx.ModelProto) -> onnx.ModelProto:
    """Equal QuantizeLinear and DequantizeLinear nodes become one."""
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
    remove_unread_constants(result)
    return result


def _main_branch(graph: Graph, pair: Pair) -> bool:
    takers = graph.consumers[pair.output]
    if [t.op_type for t in takers] != ["Add"] or graph.producer[pair.input].op_type == "Add":
        return False
    # Where both come from convolutions, the first is taken for the main branch.
    others = [
        p
        for p in pairs_after_sums(graph)
        if p.output == takers[0].input[0] and graph.producer[p.input].op_type != "Add"
    ]
    return pair.output == takers[0].input[0] or not others
