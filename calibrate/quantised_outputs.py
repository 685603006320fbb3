"""Where a network's Q/DQ pairs do harm, and the network without them.

ONNX Runtime quantises what a convolution gives as well as what it takes, because its integer kernels need
both ends. Two kinds of those pairs are better taken out: see the two functions.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable

import onnx

WEIGHTED = {"Conv", "Gemm"}


def outputs_in_float(model: onnx.ModelProto) -> onnx.ModelProto:
    """Without the Q/DQ pairs in front of the network's outputs.

    Logits of eight bits tie, and peaks of eight-bit heatmaps move; nothing is saved by either.
    """
    return _without_pairs(model, lambda graph, pair: pair.output in graph.outputs)


def fusible(model: onnx.ModelProto) -> onnx.ModelProto:
    """Without the Q/DQ pairs between a convolution and the activation or residual addition that follows it.

    TensorRT fuses convolution, addition and ReLU into one kernel only when nothing stands between them,
    and quantises what comes out. Of an addition's two inputs the one that comes straight from a
    convolution loses its pair; the other, the residual, keeps it.
    Source: "Q/DQ Layer-Placement Recommendations" in the TensorRT documentation.
    """
    return _without_pairs(model, _breaks_fusion)


class _Pair:
    """quantize -> dequantize; ``output`` is what the second gives."""

    def __init__(self, quantize: onnx.NodeProto, dequantize: onnx.NodeProto) -> None:
        self.quantize, self.dequantize = quantize, dequantize
        self.input, self.output = quantize.input[0], dequantize.output[0]


class _Graph:
    """Who makes and who takes each tensor."""

    def __init__(self, model: onnx.ModelProto) -> None:
        self.outputs = {o.name for o in model.graph.output}
        self.maker = {o: n for n in model.graph.node for o in n.output}
        self.takers: dict[str, list[onnx.NodeProto]] = defaultdict(list)
        for node in model.graph.node:
            for name in node.input:
                self.takers[name].append(node)

    def made_by_weights(self, tensor: str) -> bool:
        maker = self.maker.get(tensor)
        return maker is not None and maker.op_type in WEIGHTED

    def pairs(self) -> list[_Pair]:
        """The pairs on what a convolution or Gemm gives, where nobody else takes it."""
        found = []
        for node in self.maker.values():
            takers = self.takers[node.output[0]]
            if node.op_type == "QuantizeLinear" and len(takers) == 1 and takers[0].op_type == "DequantizeLinear":
                pair = _Pair(node, takers[0])
                if self.made_by_weights(pair.input) and len(self.takers[pair.input]) == 1:
                    found.append(pair)
        return found


def _breaks_fusion(graph: _Graph, pair: _Pair) -> bool:
    if len(graph.takers[pair.output]) != 1:
        return False
    (taker,) = graph.takers[pair.output]
    if taker.op_type in {"Relu", "Clip", "Sigmoid", "Tanh"}:
        return True
    if taker.op_type != "Add":
        return False
    # Where both come from convolutions, the first is taken for the main branch.
    return pair.output == taker.input[0] or not _straight_from_weights(graph, taker.input[0])


def _straight_from_weights(graph: _Graph, tensor: str) -> bool:
    return any(pair.output == tensor for pair in graph.pairs())


def _without_pairs(model: onnx.ModelProto, harmful: Callable[[_Graph, _Pair], bool]) -> onnx.ModelProto:
    result = onnx.ModelProto()
    result.CopyFrom(model)
    graph = _Graph(result)
    gone = [p for p in graph.pairs() if harmful(graph, p)]
    for pair in gone:
        if pair.output in graph.outputs:
            graph.maker[pair.input].output[0] = pair.output
        for taker in graph.takers[pair.output]:
            taker.input[:] = [pair.input if name == pair.output else name for name in taker.input]
        result.graph.node.remove(pair.quantize)
        result.graph.node.remove(pair.dequantize)
    _drop_unused_constants(result)
    return result


def _drop_unused_constants(model: onnx.ModelProto) -> None:
    used = {name for node in model.graph.node for name in node.input}
    for constant in [c for c in model.graph.initializer if c.name not in used]:
        model.graph.initializer.remove(constant)
