"""Where Q/DQ pairs stand. ONNX Runtime's quantiser puts one on everything a convolution takes and gives."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import onnx

from calibrate.onnx_graph import Graph, copied

SUMMING = {"Conv", "Gemm", "Add"}


@dataclass(frozen=True)
class _Pair:
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


def needed_pairs_only(model: onnx.ModelProto) -> onnx.ModelProto:
    """Without the pairs that no quantised layer reads: in front of outputs, concatenations and float layers.

    Logits of eight bits tie, peaks of eight-bit heatmaps move, and what is concatenated would be rounded twice.
    """
    return _without(model, lambda graph, pair: not any(_reads_eight_bits(graph, t) for t in graph.takers[pair.output]))


def with_steps_of_relu(model: onnx.ModelProto) -> onnx.ModelProto:
    """Each pair in front of a ReLU takes the step of the pair behind it; where there is none, it goes.

    A network's sums before a ReLU may reach to -1500 where only 0..2 passes. A step for the whole of it leaves nothing
    of what passes; with the step of what passes, the negative end is clipped, and ReLU drops that anyway.
    """
    result = copied(model)
    graph = Graph(result)
    for pair in _pairs(graph):
        if _only_into_relu(graph, pair):
            (relu,) = graph.takers[pair.output]
            behind = [t for t in graph.takers[relu.output[0]] if t.op_type == "QuantizeLinear"]
            if behind:
                pair.quantize.input[1] = pair.dequantize.input[1] = behind[0].input[1]
    return _without(result, _coarse_before_relu)


def fusible(model: onnx.ModelProto) -> onnx.ModelProto:
    """Without the pairs between a convolution and the ReLU or residual addition that follows.

    TensorRT makes one kernel of convolution, addition and ReLU, and quantises what comes out, only where
    nothing stands between them. Of an addition's two inputs the one straight from a convolution loses its
    pair, the other, the residual, keeps it.
    Source: "Q/DQ Layer-Placement Recommendations" in the TensorRT documentation.
    """
    return _without(model, lambda graph, pair: _only_into_relu(graph, pair) or _main_branch(graph, pair))


def _pairs(graph: Graph) -> list[_Pair]:
    """Pairs on what a convolution, Gemm or addition gives, where nobody takes it but the pair."""
    found = []
    for quantize in graph.nodes("QuantizeLinear"):
        behind, before = graph.takers[quantize.output[0]], graph.maker.get(quantize.input[0])
        alone = (
            len(behind) == 1 and behind[0].op_type == "DequantizeLinear" and len(graph.takers[quantize.input[0]]) == 1
        )
        if alone and before is not None and before.op_type in SUMMING:
            found.append(_Pair(quantize, behind[0]))
    return found


def _reads_eight_bits(graph: Graph, node: onnx.NodeProto) -> bool:
    if node.op_type in {"Conv", "Gemm"}:
        return graph.made_by(node.input[1], "DequantizeLinear") is not None
    return node.op_type in {"Add", "Relu"}


def _only_into_relu(graph: Graph, pair: _Pair) -> bool:
    return [t.op_type for t in graph.takers[pair.output]] == ["Relu"] and pair.output not in graph.outputs


def _coarse_before_relu(graph: Graph, pair: _Pair) -> bool:
    if not _only_into_relu(graph, pair):
        return False
    (relu,) = graph.takers[pair.output]
    return all(pair.quantize.input[1] not in list(t.input)[1:] for t in graph.takers[relu.output[0]])


def _main_branch(graph: Graph, pair: _Pair) -> bool:
    takers = graph.takers[pair.output]
    if [t.op_type for t in takers] != ["Add"] or graph.maker[pair.input].op_type == "Add":
        return False
    # Where both come from convolutions, the first is taken for the main branch.
    others = [p for p in _pairs(graph) if p.output == takers[0].input[0] and graph.maker[p.input].op_type != "Add"]
    return pair.output == takers[0].input[0] or not others


def _without(model: onnx.ModelProto, unwanted: Callable[[Graph, _Pair], bool]) -> onnx.ModelProto:
    result = copied(model)
    graph = Graph(result)
    for pair in [p for p in _pairs(graph) if unwanted(graph, p)]:
        if pair.output in graph.outputs:
            graph.maker[pair.input].output[0] = pair.output
        for taker in graph.takers[pair.output]:
            taker.input[:] = [pair.input if name == pair.output else name for name in taker.input]
        result.graph.node.remove(pair.quantize)
        result.graph.node.remove(pair.dequantize)
    used = {name for node in result.graph.node for name in node.input}
    for constant in [c for c in result.graph.initializer if c.name not in used]:
        result.graph.initializer.remove(constant)
    return result
