"""Where Q/DQ pairs stand in an INT8 file, and why, pattern by pattern.

ONNX Runtime's quantiser puts a pair on everything that a convolution, a Gemm or an addition takes and gives. From
there each function here changes one pattern:

=============================  =====================================================================================
in front of outputs and        none: logits of eight bits tie, and peaks of eight-bit heatmaps move; a layer that reads
float layers                   an output has a pair of its own behind it
around concatenation and       one step for all inputs, that of what comes out: values are rounded once, and joining
interleaving                   is copying of bytes
convolution, then ReLU         the step of what ReLU passes, so that nothing is spent on what it drops
several readers                a pair for each, because ONNX Runtime sees quantised layers by pairs read once
a sum that is mixed by joint   none, but for a convolution that reads it as well: the product is no eight-bit layer
a student's first layer        none (:mod:`calibrate.student`): a step for coordinates is set by the few far out
=============================  =====================================================================================

Products with a graph's adjacency get no pairs: sums over joints are small and lose most in eight bits. What TensorRT
wants otherwise is done when an engine is built, see :mod:`calibrate.tensorrt.qdq_fusion`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import onnx
from onnx import helper

from calibrate.quantisation.onnx_graph import Graph, copied, remove_unread_constants, rename_tensors, set_nodes

SUMMING = {"Conv", "Gemm", "Add"}
COPYING = {"Concat", "DepthToSpace"}
SATURATING = {"Sigmoid", "Tanh"}
"""Of eight bits they lose little, and a convolution in front of them is quantised only if what it gives is."""


@dataclass(frozen=True)
class Pair:
    """quantize -> dequantize, with nobody else in between."""

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
    """The network's outputs in front of their pairs, which those who read an output inside the network read instead."""
    result = copied(model)
    graph = Graph(result)
    for dequantize in graph.nodes("DequantizeLinear"):
        output = dequantize.output[0]
        quantize = graph.producer_of_type(dequantize.input[0], "QuantizeLinear")
        if output not in graph.outputs or quantize is None:
            continue
        exact, rounded = quantize.input[0], f"{output}.rounded"
        for taker in graph.consumers[output]:
            rename_tensors([taker], {output: rounded})
        rename_tensors([graph.producer[exact], *graph.consumers[exact]], {exact: output})
        dequantize.output[0] = rounded
    return result


def needed_pairs_only(model: onnx.ModelProto) -> onnx.ModelProto:
    """Without the pairs that no quantised layer reads: in front of concatenations and float layers."""
    return remove_pairs(
        model, lambda graph, pair: not any(_reads_eight_bits(graph, t) for t in graph.consumers[pair.output])
    )


def pairs_before_copies(model: onnx.ModelProto) -> onnx.ModelProto:
    """Where what is concatenated or interleaved is quantised afterwards, its inputs are quantised with that step."""
    result = copied(model)
    graph = Graph(result)
    # By the copying node, its inputs' new pairs; backwards, because one copy may follow another.
    pairs: dict[str, list[onnx.NodeProto]] = {}
    step_before: dict[str, tuple[str, str]] = {}
    for node in reversed(result.graph.node):
        if node.op_type not in COPYING or node.output[0] in graph.outputs:
            continue
        steps = {step_before.get(node.output[0], _step_of(t)) for t in graph.consumers[node.output[0]]}
        if len(steps) != 1 or (step := steps.pop()) is None:
            continue
        pairs[node.name] = []
        for position, name in enumerate(node.input):
            stem = f"{node.name}.{position}"
            quantized, dequantized = f"{stem}.quantized", f"{stem}.dequantized"
            pairs[node.name] += [
                helper.make_node("QuantizeLinear", [name, *step], [quantized], name=f"{stem}.quantize"),
                helper.make_node("DequantizeLinear", [quantized, *step], [dequantized], name=f"{stem}.dequantize"),
            ]
            node.input[position] = dequantized
            if len(graph.consumers[name]) == 1:
                step_before[name] = step
    set_nodes(result, (n for node in result.graph.node for n in (*pairs.get(node.name, []), node)))
    return result


def relu_scale_before_relu(model: onnx.ModelProto) -> onnx.ModelProto:
    """Each pair in front of a ReLU takes the step of the pair behind it; where there is none, or an output, it goes.

    A network's sums before a ReLU may reach to -1500 where only 0..2 passes. A step for the whole of it leaves nothing
    of what passes; with the step of what passes, the negative end is clipped, and ReLU drops that anyway.
    """
    result = copied(model)
    graph = Graph(result)
    for pair in pairs_after_sums(graph):
        if only_into_relu(graph, pair):
            (relu,) = graph.consumers[pair.output]
            behind = [t for t in graph.consumers[relu.output[0]] if t.op_type == "QuantizeLinear"]
            if behind:
                # Of several the largest: what a smaller one clips, it clips behind ReLU.
                widest = max(behind, key=lambda quantize: float(graph.constants[quantize.input[1]]))
                pair.quantize.input[1] = pair.dequantize.input[1] = widest.input[1]
    return remove_pairs(result, _coarse_before_relu)


def unquantised_sums(model: onnx.ModelProto) -> onnx.ModelProto:
    """No pair on the sum of a residual addition, or on what begins such sums, where a floating-point product reads it.

    The product would read rounded values to no end, and the next addition as well; in a student's INT8 logits that was
    a fifth to two fifths of the squared error. TensorRT still makes one kernel of convolution, addition and ReLU. What
    that kernel gives is of the residual's type, and floating point is what the product reads.
    """
    result = copied(model)
    graph = Graph(result)
    for quantize in graph.nodes("QuantizeLinear"):
        tensor, behind = quantize.input[0], graph.consumers[quantize.output[0]]
        if len(behind) != 1 or behind[0].op_type != "DequantizeLinear":
            continue
        rounded = behind[0].output[0]
        if not any(_mixes(graph, taker) for taker in graph.consumers[rounded]):
            continue
        for taker in graph.consumers[rounded]:
            if not _reads_eight_bit_weights(graph, taker):
                taker.input[:] = [tensor if name == rounded else name for name in taker.input]
        relu = graph.producer_of_type(tensor, "Relu")
        before = None if relu is None else graph.producer_of_type(relu.input[0], "DequantizeLinear")
        if relu is not None and before is not None:
            unrounded = graph.producer[before.input[0]].input[0]
            # ONNX Runtime computes a convolution in eight bits only if what it gives is rounded.
            if graph.producer_of_type(unrounded, "Add"):
                relu.input[0] = unrounded
    return _without_unread_pairs(result)


def pair_per_consumer(model: onnx.ModelProto) -> onnx.ModelProto:
    """Where several read one pair, each gets its own.

    ONNX Runtime runs a convolution in eight bits on x86 only if the pair before it is read by nobody else; a pair
    read by two leaves both in floating point.
    """
    result = copied(model)
    graph = Graph(result)
    nodes: list[onnx.NodeProto] = []
    for node in result.graph.node:
        nodes.append(node)
        quantize = (
            graph.producer_of_type(node.input[0], "QuantizeLinear") if node.op_type == "DequantizeLinear" else None
        )
        if quantize is None:
            continue
        for number, taker in enumerate(graph.consumers[node.output[0]][1:], start=1):
            own_quantize, own = copied_node(quantize, number), copied_node(node, number)
            own.input[0] = own_quantize.output[0]
            taker.input[:] = [own.output[0] if name == node.output[0] else name for name in taker.input]
            nodes += [own_quantize, own]
    set_nodes(result, nodes)
    return result


def copied_node(node: onnx.NodeProto, number: int) -> onnx.NodeProto:
    """The same node with a name and an output of its own."""
    result = onnx.NodeProto()
    result.CopyFrom(node)
    result.name, result.output[0] = f"{node.name}.{number}", f"{node.output[0]}.{number}"
    return result


def pairs_after_sums(graph: Graph) -> list[Pair]:
    """Pairs on what a convolution, Gemm or addition gives, where nobody takes it but the pair."""
    found = []
    for quantize in graph.nodes("QuantizeLinear"):
        behind, before = graph.consumers[quantize.output[0]], graph.producer.get(quantize.input[0])
        alone = (
            len(behind) == 1
            and behind[0].op_type == "DequantizeLinear"
            and len(graph.consumers[quantize.input[0]]) == 1
        )
        if alone and before is not None and before.op_type in SUMMING:
            found.append(Pair(quantize, behind[0]))
    return found


def only_into_relu(graph: Graph, pair: Pair) -> bool:
    return [t.op_type for t in graph.consumers[pair.output]] == ["Relu"] and pair.output not in graph.outputs


def remove_pairs(model: onnx.ModelProto, unwanted: Callable[[Graph, Pair], bool]) -> onnx.ModelProto:
    """Without the pairs behind sums for which ``unwanted`` says so."""
    result = copied(model)
    graph = Graph(result)
    for pair in [p for p in pairs_after_sums(graph) if unwanted(graph, p)]:
        if pair.output in graph.outputs:
            # An output keeps its name, and so do those who read it.
            graph.producer[pair.input].output[0] = pair.output
        else:
            for taker in graph.consumers[pair.output]:
                taker.input[:] = [pair.input if name == pair.output else name for name in taker.input]
        result.graph.node.remove(pair.quantize)
        result.graph.node.remove(pair.dequantize)
    remove_unread_constants(result)
    return result


def _mixes(graph: Graph, node: onnx.NodeProto) -> bool:
    """A product with a constant that is not in eight bits."""
    return node.op_type == "MatMul" and node.input[1] in graph.constants


def _reads_eight_bit_weights(graph: Graph, node: onnx.NodeProto) -> bool:
    return node.op_type in {"Conv", "Gemm"} and graph.producer_of_type(node.input[1], "DequantizeLinear") is not None


def _without_unread_pairs(model: onnx.ModelProto) -> onnx.ModelProto:
    for operator in ("DequantizeLinear", "QuantizeLinear"):
        read = {name for node in model.graph.node for name in node.input}
        for node in [n for n in model.graph.node if n.op_type == operator and n.output[0] not in read]:
            model.graph.node.remove(node)
    remove_unread_constants(model)
    return model


def _step_of(node: onnx.NodeProto) -> tuple[str, str] | None:
    """Scale and zero point of a QuantizeLinear."""
    return (node.input[1], node.input[2]) if node.op_type == "QuantizeLinear" else None


def _reads_eight_bits(graph: Graph, node: onnx.NodeProto) -> bool:
    if node.op_type in {"Conv", "Gemm"}:
        return _reads_eight_bit_weights(graph, node)
    return node.op_type in {"Add", "Relu", *SATURATING}


def _coarse_before_relu(graph: Graph, pair: Pair) -> bool:
    if not only_into_relu(graph, pair):
        return False
    (relu,) = graph.consumers[pair.output]
    steps_behind = [name for t in graph.consumers[relu.output[0]] for name in t.input[1:]]
    return relu.output[0] in graph.outputs or pair.quantize.input[1] not in steps_behind
