"""Where Q/DQ pairs go in an INT8 file, and why, pattern by pattern.

ONNX Runtime's quantiser puts a pair on every input and output of Conv, Gemm and Add; each function here changes one
pattern. Quoted rules are from "Q/DQ Layer-Placement Recommendations" in the TensorRT documentation.

==========================  ========================================================================================
inputs and weights of       a pair: "Quantize all inputs of weighted operations"
Conv and Gemm
inputs of float layers,     none: "By default, do not quantize the outputs of weighted operations". INT8 logits
network outputs             would tie, and peaks of INT8 heatmaps move
a float layer whose input   the INT8 layer's. Without it the squared error of untrained students' logits was 0 to 8 %
an INT8 layer reads too     less; the shipped student has no such layer
residual additions          a pair on both inputs. TensorRT needs the one on the residual, else the fused output is
                            float: "Quantize the residual input in skip connections"
sums that a float product   none, except for INT8 layers that read them too: the fused output is float, as the product
reads                       needs it
Conv, then ReLU             the scale behind ReLU, because ONNX Runtime needs a pair to run the Conv in INT8
Concat, DepthToSpace        the scale behind them on every input: with equal scales they commute with Q/DQ
several readers             a pair each, because ONNX Runtime fuses only pairs that one node reads
a student's first layer     none (:mod:`calibrate.student`): a few distant joints would set the scale of all
==========================  ========================================================================================

Products with the joint adjacency stay in floating point: their sums over joints are small and lose most in INT8.
Pairs that only ONNX Runtime needs are removed when an engine is built: :mod:`calibrate.tensorrt.qdq_fusion`.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass

import onnx
from onnx import helper

from calibrate.quantisation.onnx_graph import (
    Graph,
    copied,
    remove_unread_constants,
    rename_tensors,
    runs_in_int8,
    set_nodes,
)

SUMMING = {"Conv", "Gemm", "Add"}
COPYING = {"Concat", "DepthToSpace"}
SATURATING = {"Sigmoid", "Tanh"}
"""They lose little in INT8, and ONNX Runtime runs a convolution in INT8 only if its output is quantised."""


@dataclass(frozen=True)
class Pair:
    """quantize -> dequantize, where nothing else reads the integers."""

    quantize: onnx.NodeProto
    dequantize: onnx.NodeProto

    @property
    def input(self) -> str:
        name: str = self.quantize.input[0]
        return name

    @property
    def output(self) -> str:
        name: str = self.dequantize.output[0]
        return name


def unquantised_outputs(model: onnx.ModelProto) -> onnx.ModelProto:
    """Move each network output before its pair; nodes inside the network still read the rounded values."""
    result = copied(model)
    graph = Graph(result)
    for dequantize in graph.nodes("DequantizeLinear"):
        output = dequantize.output[0]
        if output not in graph.outputs:
            continue
        quantize = graph.producer[dequantize.input[0]]
        exact, rounded = quantize.input[0], f"{output}.rounded"
        rename_tensors(graph.consumers[output], {output: rounded})
        rename_tensors([graph.producer[exact], quantize], {exact: output})
        dequantize.output[0] = rounded
    return result


def needed_pairs_only(model: onnx.ModelProto) -> onnx.ModelProto:
    """Remove the pairs that no INT8 layer reads, such as those before concatenations and float layers."""
    return remove_pairs(
        model, lambda graph, pair: not any(_reads_int8(graph, node) for node in graph.consumers[pair.output])
    )


def pairs_before_copies(model: onnx.ModelProto) -> onnx.ModelProto:
    """Quantise every input of a Concat or DepthToSpace with the scale of the pair behind it, where there is one."""
    result = copied(model)
    graph = Graph(result)
    # New pairs by the node they precede; backwards, because one copying node may follow another.
    pairs: dict[str, list[onnx.NodeProto]] = {}
    scale_before: dict[str, tuple[str, str]] = {}
    for node in reversed(result.graph.node):
        if node.op_type not in COPYING or node.output[0] in graph.outputs:
            continue
        scales = {scale_before.get(node.output[0], _scale_of(c)) for c in graph.consumers[node.output[0]]}
        if len(scales) != 1 or (scale := scales.pop()) is None:
            continue
        pairs[node.name] = []
        for position, name in enumerate(node.input):
            stem = f"{node.name}.{position}"
            quantized, dequantized = f"{stem}.quantized", f"{stem}.dequantized"
            pairs[node.name] += [
                helper.make_node("QuantizeLinear", [name, *scale], [quantized], name=f"{stem}.quantize"),
                helper.make_node("DequantizeLinear", [quantized, *scale], [dequantized], name=f"{stem}.dequantize"),
            ]
            node.input[position] = dequantized
            if len(graph.consumers[name]) == 1:
                scale_before[name] = scale
    set_nodes(result, (n for node in result.graph.node for n in (*pairs.get(node.name, []), node)))
    return result


def relu_scale_before_relu(model: onnx.ModelProto) -> onnx.ModelProto:
    """Give each pair before a ReLU the scale of the pair behind it; without one, or before an output, remove it.

    Sums before a ReLU may reach -1500 where only 0..2 passes. A scale for all of it would round away what passes; the
    scale of what passes clips only negative values, which ReLU drops anyway.
    """
    result = copied(model)
    graph = Graph(result)
    unwanted: set[str] = set()
    for pair in pairs_after_sums(graph):
        if only_into_relu(graph, pair):
            (relu,) = graph.consumers[pair.output]
            behind = [c for c in graph.consumers[relu.output[0]] if c.op_type == "QuantizeLinear"]
            if not behind or relu.output[0] in graph.outputs:
                unwanted.add(pair.output)
                continue
            # The largest of several: smaller ones still clip behind ReLU.
            widest = max(behind, key=lambda quantize: float(graph.constants[quantize.input[1]]))
            pair.quantize.input[1] = pair.dequantize.input[1] = widest.input[1]
    return remove_pairs(result, lambda graph, pair: pair.output in unwanted)


def unquantised_sums(model: onnx.ModelProto) -> onnx.ModelProto:
    """Remove the pair on a residual sum, or on the first summand of a chain, where a float product reads it.

    The product and the next addition would read rounded values for no gain: that was 20 to 40 % of the squared error
    of a student's INT8 logits. TensorRT still fuses convolution, addition and ReLU. The fused kernel's output has the
    residual's type, here floating point, which the product reads.
    """
    result = copied(model)
    graph = Graph(result)
    for quantize in graph.nodes("QuantizeLinear"):
        tensor, (dequantize,) = quantize.input[0], graph.consumers[quantize.output[0]]
        rounded = dequantize.output[0]
        # A product with a float constant is one with the joint adjacency.
        if not any(n.op_type == "MatMul" and n.input[1] in graph.constants for n in graph.consumers[rounded]):
            continue
        rename_tensors([n for n in graph.consumers[rounded] if not runs_in_int8(graph, n)], {rounded: tensor})
        relu = graph.producer_of_type(tensor, "Relu")
        if relu is not None and (before := graph.producer_of_type(relu.input[0], "DequantizeLinear")) is not None:
            unrounded = graph.producer[before.input[0]].input[0]
            # Behind a convolution the pair stays: ONNX Runtime needs it to run the convolution in INT8.
            if graph.producer_of_type(unrounded, "Add"):
                relu.input[0] = unrounded
    _remove_unread_pairs(result)
    return result


def pair_per_consumer(model: onnx.ModelProto) -> onnx.ModelProto:
    """Copy a pair that several nodes read, one for each.

    On x86 ONNX Runtime runs a convolution in INT8 only if nothing else reads the pair before it; a pair with two
    readers leaves both in floating point.
    """
    result = copied(model)
    graph = Graph(result)
    nodes: list[onnx.NodeProto] = []
    for node in result.graph.node:
        nodes.append(node)
        if node.op_type != "DequantizeLinear" or node.input[0] in graph.constants:
            continue
        quantize = graph.producer[node.input[0]]
        for number, consumer in enumerate(graph.consumers[node.output[0]][1:], start=1):
            own_quantize, own = _numbered(quantize, number), _numbered(node, number)
            own.input[0] = own_quantize.output[0]
            rename_tensors([consumer], {node.output[0]: own.output[0]})
            nodes += [own_quantize, own]
    set_nodes(result, nodes)
    return result


def pairs_after_sums(graph: Graph) -> list[Pair]:
    """Return the pairs on the output of a Conv, Gemm or Add that nothing but the pair reads, except network outputs."""
    found = []
    for quantize in graph.nodes("QuantizeLinear"):
        behind, before = graph.consumers[quantize.output[0]], graph.producer.get(quantize.input[0])
        alone = len(behind) == len(graph.consumers[quantize.input[0]]) == 1
        if alone and behind[0].op_type == "DequantizeLinear" and before is not None and before.op_type in SUMMING:
            found.append(Pair(quantize, behind[0]))
    return [pair for pair in found if pair.output not in graph.outputs]


def only_into_relu(graph: Graph, pair: Pair) -> bool:
    return [t.op_type for t in graph.consumers[pair.output]] == ["Relu"]


def remove_pairs(model: onnx.ModelProto, unwanted: Callable[[Graph, Pair], bool]) -> onnx.ModelProto:
    """Return the model without those of its pairs after sums for which ``unwanted`` is true."""
    result = copied(model)
    graph = Graph(result)
    for pair in [p for p in pairs_after_sums(graph) if unwanted(graph, p)]:
        rename_tensors(graph.consumers[pair.output], {pair.output: pair.input})
        result.graph.node.remove(pair.quantize)
        result.graph.node.remove(pair.dequantize)
    remove_unread_constants(result)
    return result


def _numbered(node: onnx.NodeProto, number: int) -> onnx.NodeProto:
    """Return a copy of the node with its own name and output."""
    result = copy.deepcopy(node)
    result.name, result.output[0] = f"{node.name}.{number}", f"{node.output[0]}.{number}"
    return result


def _remove_unread_pairs(model: onnx.ModelProto) -> None:
    for operator in ("DequantizeLinear", "QuantizeLinear"):
        read = {name for node in model.graph.node for name in node.input}
        for node in [n for n in model.graph.node if n.op_type == operator and n.output[0] not in read]:
            model.graph.node.remove(node)


def _scale_of(node: onnx.NodeProto) -> tuple[str, str] | None:
    """Names of a QuantizeLinear's scale and zero point; None for other nodes."""
    return (node.input[1], node.input[2]) if node.op_type == "QuantizeLinear" else None


def _reads_int8(graph: Graph, node: onnx.NodeProto) -> bool:
    return runs_in_int8(graph, node) or node.op_type in {"Add", "Relu", *SATURATING}
