"""Replace a ReLU by INT8's clipping, so that its positive values use all 256 levels.

Behind a ReLU no value is negative, so symmetric quantisation wastes half of -128..127. TensorRT accepts no zero point
but 0. A zero point can be folded into biases instead: the layer before outputs y - 128 * scale, the clipping at -128
does what ReLU did, and each layer behind adds 128 * scale times the sum of its weights to its bias. The scale is halved
and the ReLU node disappears. This is exact only if the layers behind have no padding, whose zeros would have to be
-128.

It takes two passes, and weights and biases are fitted to the finer scale in between: ``unsigned_behind_relu`` switches
to uint8 with the ReLU still there, which TensorRT does not accept; ``signed`` shifts this to INT8.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import onnx

from calibrate.quantisation.onnx_graph import Graph, attributes, copied, remove_unread_constants, runs_in_int8

OFFSET, LARGEST = 128, 255
"""The shift from INT8 to uint8, and uint8's largest value."""
UNSIGNED = "unsigned.zero"


@dataclass(frozen=True)
class _Pattern:
    """convolution (-> pair) -> relu -> quantize -> dequantize -> readers, where nothing else reads in between."""

    convolution: onnx.NodeProto
    pair: tuple[onnx.NodeProto, ...]
    relu: onnx.NodeProto
    quantize: onnx.NodeProto
    dequantize: onnx.NodeProto
    readers: list[onnx.NodeProto]


def relu_for_clip(model: onnx.ModelProto) -> onnx.ModelProto:
    """Turn each Clip from 0 upwards, such as ReLU6, that only pairs read into a ReLU: INT8's largest value limits it.

    So the patterns for ReLU apply to it. A pair that reaches beyond the Clip's limit gets that limit as its range.
    """
    result = copied(model)
    graph = Graph(result)
    for clip in graph.nodes("Clip"):
        low, high = (graph.constants.get(name) for name in (*clip.input[1:], "", "")[:2])
        readers = graph.consumers[clip.output[0]]
        only_pairs = readers and {n.op_type for n in readers} == {"QuantizeLinear"}
        if low is None or low != 0 or not only_pairs or clip.output[0] in graph.outputs:
            continue
        if high is not None:
            for scale in {n.input[1] for n in readers}:
                graph.set_constant(scale, np.minimum(graph.constants[scale], high.item() / 127))
        clip.op_type = "Relu"
        del clip.input[1:]
    remove_unread_constants(result)
    return result


def unsigned_behind_relu(model: onnx.ModelProto) -> onnx.ModelProto:
    """Use uint8 behind each ReLU whose producer and readers are INT8 convolutions, the readers without padding."""
    result = copied(model)
    graph = Graph(result)
    for pattern in list(_patterns(graph)):
        scale = graph.constants[pattern.quantize.input[1]]
        name = f"{pattern.relu.name}.step"
        graph.set_constant(name, np.asarray(scale * 127 / LARGEST, np.float32))
        graph.set_constant(UNSIGNED, np.array(0, np.uint8))
        for node in (pattern.quantize, pattern.dequantize):
            node.input[1:] = [name, UNSIGNED]
        pattern.relu.input[0] = pattern.convolution.output[0]
        for node in pattern.pair:
            result.graph.node.remove(node)
    remove_unread_constants(result)
    return result


def signed(model: onnx.ModelProto) -> onnx.ModelProto:
    """Shift uint8 to INT8, as TensorRT requires: remove each ReLU and fold the offset into the biases."""
    result = copied(model)
    graph = Graph(result)
    zero = f"{UNSIGNED}.signed"
    for pattern in [p for p in _patterns(graph) if p.quantize.input[2] == UNSIGNED]:
        offset = OFFSET * float(graph.constants[pattern.quantize.input[1]])
        channels = len(graph.constants[graph.producer[pattern.convolution.input[1]].input[0]])
        graph.add_to_bias(pattern.convolution, np.full(channels, -offset))
        for reader in pattern.readers:
            dequantize = graph.producer[reader.input[1]]
            weight = graph.constants[dequantize.input[0]].astype(np.float64)
            sums = weight.reshape(len(weight), -1).sum(axis=1) * graph.constants[dequantize.input[1]]
            graph.add_to_bias(reader, offset * sums)
        graph.set_constant(zero, np.array(0, np.int8))
        for node in (pattern.quantize, pattern.dequantize):
            node.input[2] = zero
        pattern.quantize.input[0] = pattern.convolution.output[0]
        result.graph.node.remove(pattern.relu)
    remove_unread_constants(result)
    return result


def _patterns(graph: Graph) -> Iterator[_Pattern]:
    for relu in graph.nodes("Relu"):
        convolution, pair = _before(graph, relu)
        behind = graph.consumers[relu.output[0]]
        if convolution is None or [n.op_type for n in behind] != ["QuantizeLinear"] or relu.output[0] in graph.outputs:
            continue
        (dequantize,) = graph.consumers[behind[0].output[0]]
        readers = graph.consumers[dequantize.output[0]]
        if all(_accepts_offset(graph, n) for n in readers):
            yield _Pattern(convolution, pair, relu, behind[0], dequantize, readers)


def _before(graph: Graph, relu: onnx.NodeProto) -> tuple[onnx.NodeProto | None, tuple[onnx.NodeProto, ...]]:
    """Return the INT8 convolution that only this ReLU reads, and the pair in between if there is one."""
    tensor, pair = relu.input[0], tuple[onnx.NodeProto, ...]()
    dequantize = graph.producer_of_type(tensor, "DequantizeLinear")
    if dequantize is not None:
        quantize = graph.producer[dequantize.input[0]]
        alone = len(graph.consumers[tensor]) == 1 and len(graph.consumers[quantize.output[0]]) == 1
        pair, tensor = (quantize, dequantize), quantize.input[0] if alone else ""
    convolution = graph.producer_of_type(tensor, "Conv")
    only_relu = len(graph.consumers[tensor]) == 1 and tensor not in graph.outputs
    if convolution is None or not only_relu or not runs_in_int8(graph, convolution):
        return None, ()
    return convolution, pair


def _accepts_offset(graph: Graph, node: onnx.NodeProto) -> bool:
    stated = attributes(node)
    padded = any(stated.get("pads", [])) or stated.get("auto_pad", b"NOTSET") != b"NOTSET"
    return node.op_type == "Conv" and runs_in_int8(graph, node) and not padded
