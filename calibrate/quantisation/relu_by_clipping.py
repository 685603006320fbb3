"""ReLU done by the lower end of eight bits, all of which then serve what passes it.

Behind ReLU nothing is negative, and of a symmetric -128..127 one half lies idle. TensorRT takes no zero point, but a
zero point may as well stand in the biases: a layer gives y - 128 steps instead of y, the lower end of the eight bits
clips what ReLU would drop, and the layer that reads it has its bias raised by 128 steps times the sum of its weights.
Steps are half as long, and ReLU is no node any more. It is exact where the reader has no padding, for a border of
zeros would have to be one of -128 steps.

This goes in two passes, between which weights and biases are fitted to the finer steps: first bytes without a sign,
which say the same and which no TensorRT takes, then the same bytes with one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import onnx

from calibrate.quantisation.bias_correction import runs_in_int8
from calibrate.quantisation.onnx_graph import Graph, attributes, copied, remove_unread_constants

LOWEST, LARGEST = 128, 255
"""Steps from zero to where bytes with a sign begin, and to where bytes without one end."""
UNSIGNED = "unsigned.zero"


@dataclass(frozen=True)
class _Passage:
    """convolution (-> pair) -> relu -> quantize -> dequantize -> readers, and nobody else in between."""

    convolution: onnx.NodeProto
    pair: tuple[onnx.NodeProto, ...]
    relu: onnx.NodeProto
    quantize: onnx.NodeProto
    dequantize: onnx.NodeProto
    readers: list[onnx.NodeProto]


def unsigned_behind_relu(model: onnx.ModelProto) -> onnx.ModelProto:
    """Bytes 0..255 instead of -128..127 behind each ReLU that lies between eight-bit convolutions without padding."""
    result = copied(model)
    graph = Graph(result)
    for passage in list(_passages(graph)):
        step = graph.constants[passage.quantize.input[1]]
        name = f"{passage.relu.name}.step"
        graph.set_constant(name, np.asarray(step * 127 / LARGEST, np.float32))
        graph.set_constant(UNSIGNED, np.array(0, np.uint8))
        for node in (passage.quantize, passage.dequantize):
            node.input[1:] = [name, UNSIGNED]
        passage.relu.input[0] = passage.convolution.output[0]
        for node in passage.pair:
            result.graph.node.remove(node)
    remove_unread_constants(result)
    return result


def signed(model: onnx.ModelProto) -> onnx.ModelProto:
    """The same bytes with a sign, as TensorRT takes them: ReLU goes, and biases hold what zero is moved by."""
    result = copied(model)
    graph = Graph(result)
    zero = f"{UNSIGNED}.signed"
    for passage in [p for p in _passages(graph) if p.quantize.input[2] == UNSIGNED]:
        moved = LOWEST * float(graph.constants[passage.quantize.input[1]])
        graph.add_to_bias(passage.convolution, np.full(_outputs(graph, passage.convolution), -moved))
        for reader in passage.readers:
            dequantize = graph.producer[reader.input[1]]
            weight = graph.constants[dequantize.input[0]].astype(np.float64)
            sums = weight.reshape(len(weight), -1).sum(axis=1) * graph.constants[dequantize.input[1]]
            graph.add_to_bias(reader, moved * sums)
        graph.set_constant(zero, np.array(0, np.int8))
        for node in (passage.quantize, passage.dequantize):
            node.input[2] = zero
        passage.quantize.input[0] = passage.convolution.output[0]
        result.graph.node.remove(passage.relu)
    remove_unread_constants(result)
    return result


def _passages(graph: Graph) -> Iterator[_Passage]:
    for relu in graph.nodes("Relu"):
        convolution, pair = _before(graph, relu)
        behind = graph.consumers[relu.output[0]]
        if convolution is None or [n.op_type for n in behind] != ["QuantizeLinear"] or relu.output[0] in graph.outputs:
            continue
        (dequantize,) = graph.consumers[behind[0].output[0]]
        readers = graph.consumers[dequantize.output[0]]
        if dequantize.output[0] not in graph.outputs and readers and all(_takes_a_move(graph, n) for n in readers):
            yield _Passage(convolution, pair, relu, behind[0], dequantize, readers)


def _before(graph: Graph, relu: onnx.NodeProto) -> tuple[onnx.NodeProto | None, tuple[onnx.NodeProto, ...]]:
    """The eight-bit convolution that only this ReLU reads, and the pair in between if there is one."""
    tensor, pair = relu.input[0], tuple[onnx.NodeProto, ...]()
    dequantize = graph.producer_of_type(tensor, "DequantizeLinear")
    if dequantize is not None:
        quantize = graph.producer[dequantize.input[0]]
        alone = len(graph.consumers[tensor]) == 1 and len(graph.consumers[quantize.output[0]]) == 1
        pair, tensor = (quantize, dequantize), quantize.input[0] if alone else ""
    convolution = graph.producer_of_type(tensor, "Conv")
    if convolution is None or len(graph.consumers[tensor]) != 1 or not runs_in_int8(graph, convolution):
        return None, ()
    return convolution, pair


def _takes_a_move(graph: Graph, node: onnx.NodeProto) -> bool:
    stated = attributes(node)
    padded = any(stated.get("pads", [])) or stated.get("auto_pad", b"NOTSET") != b"NOTSET"
    return node.op_type == "Conv" and runs_in_int8(graph, node) and not padded


def _outputs(graph: Graph, convolution: onnx.NodeProto) -> int:
    return len(graph.constants[graph.producer[convolution.input[1]].input[0]])
