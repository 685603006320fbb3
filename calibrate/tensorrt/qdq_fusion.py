"""Turn an INT8 file into one that TensorRT builds, with as few kernels as it can.

TensorRT fuses convolution, addition, ReLU and the quantisation of the result into one kernel only if no Q/DQ pair is
between them. So the input of an addition that comes straight from a convolution has no pair. The other input, the
residual, keeps its pair, so that the kernel reads it in INT8; but a kernel whose output is float reads a float
residual, and a pair would be a further kernel. All readers of a tensor share one pair, because each further
QuantizeLinear would be a kernel of its own.

Sources: "Q/DQ Layer-Placement Recommendations" in the TensorRT documentation; layers of engines that TensorRT 8.5.3 and
8.6.0 built.
"""

from __future__ import annotations

import numpy as np
import onnx
from onnx import helper

from calibrate.quantisation.onnx_graph import (
    Graph,
    along_channels,
    attributes,
    copied,
    remove_unread_constants,
    set_nodes,
    with_initializers,
)
from calibrate.quantisation.qdq_placement import Pair, only_into_relu, pairs_after_sums, remove_pairs


def fusible(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model without the pairs that prevent fusion. Its outputs differ only by fewer roundings."""
    return remove_pairs(shared(model), lambda graph, pair: only_into_relu(graph, pair) or _in_float(graph, pair))


def weights_in_float(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model with each INT8 weight as a float one and a QuantizeLinear, which gives exactly the same integers.

    TensorRT merges convolutions that read the same tensor. 8.5 and 8.6 fail at that, with an assertion in
    "chooseHigherPrecision", if their weights are stored in INT8. They quantise the float ones once, when they build.
    """
    result = with_initializers(model)
    graph = Graph(result)
    nodes: list[onnx.NodeProto] = []
    for node in result.graph.node:
        constant = node.op_type == "DequantizeLinear" and set(node.input) <= graph.constants.keys()
        if constant and graph.constants[node.input[0]].dtype == np.int8:
            integers, scale = (graph.constants[name] for name in node.input[:2])
            weight, quantised = f"{node.output[0]}.weight", f"{node.output[0]}.quantised"
            graph.set_constant(weight, integers * along_channels(scale, node, integers))
            if len(node.input) < 3:  # which would mean uint8
                graph.set_constant(f"{node.output[0]}.zero", np.zeros(scale.shape, np.int8))
                node.input.append(f"{node.output[0]}.zero")
            quantize = helper.make_node("QuantizeLinear", [weight, *node.input[1:]], [quantised], name=quantised)
            quantize.attribute.extend(node.attribute)
            nodes.append(quantize)
            node.input[0] = quantised
        nodes.append(node)
    set_nodes(result, nodes)
    remove_unread_constants(result)
    return result


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


def _in_float(graph: Graph, pair: Pair) -> bool:
    """Whether the kernel of the addition that reads the pair has the unrounded value: its own, or a float one's."""
    takers = graph.consumers[pair.output]
    if [t.op_type for t in takers] != ["Add"]:
        return False
    if _read_in_float(graph, takers[0].output[0]):
        return True
    if graph.producer[pair.input].op_type == "Add":
        return False
    # If both inputs come from convolutions, the first is treated as the main branch.
    others = [
        p
        for p in pairs_after_sums(graph)
        if p.output == takers[0].input[0] and graph.producer[p.input].op_type != "Add"
    ]
    return pair.output == takers[0].input[0] or not others


def _read_in_float(graph: Graph, tensor: str) -> bool:
    readers = graph.consumers[tensor]
    if [r.op_type for r in readers] == ["Relu"]:
        return _read_in_float(graph, readers[0].output[0])
    return tensor in graph.outputs or any(r.op_type != "QuantizeLinear" for r in readers)
