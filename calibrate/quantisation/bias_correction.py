"""Correct each convolution's bias by the shift that rounding and clipping cause in its mean output.

Biases themselves stay in floating point, where TensorRT wants them.

Source: Nagel et al., "Data-Free Quantization Through Weight Equalization and Bias Correction", ICCV 2019,
section 4.2, with means taken from data; zero padding at the border is ignored.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx

from calibrate.quantisation.onnx_graph import Array, Graph, Sample, activations, copied, group_of, runs_in_int8

LARGEST_BIAS = 2.0**30
"""In units of the bias scale; ONNX Runtime keeps biases of quantised convolutions in int32."""


def bias_corrected(quantised: onnx.ModelProto, model: onnx.ModelProto, samples: Sequence[Sample]) -> onnx.ModelProto:
    """Return ``quantised`` with corrected biases in its INT8 convolutions. model: the FP32 network it was made from."""
    result = copied(quantised)
    graph, before = Graph(result), Graph(model)
    original = {n.name: n for n in before.nodes("Conv")}
    both = [(n, original[n.name]) for n in graph.nodes("Conv") if runs_in_int8(graph, n)]
    rounding = {o.input[0]: _rounding(graph, n) for n, o in both}
    float_mean, int8_mean = _means(model, rounding, samples)
    for node, source in both:
        tensor = source.input[0]
        weight, rounded = before.constants[source.input[1]], _rounded_weight(graph, node)
        wanted = _mean_output(weight, float_mean[tensor], group_of(node))
        shift = wanted - _mean_output(rounded, int8_mean[tensor], group_of(node))
        graph.add_to_bias(node, shift)
    return result


def scales_widened_for_biases(quantised: onnx.ModelProto) -> onnx.ModelProto:
    """Return the model with larger weight scales in channels whose bias would overflow int32.

    quantised: with a bias in each INT8 convolution. ONNX Runtime converts biases to int32 with the scale (activation
    scale * weight scale) and does not check for overflow. In a channel with tiny weights that scale is so small that
    the bias overflows. Rounding such weights more coarsely does not matter.
    """
    result = copied(quantised)
    graph = Graph(result)
    for node in graph.nodes("Conv"):
        if not runs_in_int8(graph, node):
            continue
        dequantize = graph.producer[node.input[1]]
        scale = graph.constants[dequantize.input[1]].astype(np.float64)
        bias = np.abs(graph.constants[node.input[2]].astype(np.float64))
        wider = np.maximum(scale, bias / (_activation_scale(graph, node) * LARGEST_BIAS))
        weight = graph.constants[dequantize.input[0]]
        ratio = (scale / wider).reshape(-1, *[1] * (weight.ndim - 1))
        graph.set_constant(dequantize.input[0], np.round(weight * ratio))
        graph.set_constant(dequantize.input[1], wider)
    return result


def _activation_scale(graph: Graph, node: onnx.NodeProto) -> float:
    return float(graph.constants[graph.producer[node.input[0]].input[1]])


def _rounding(graph: Graph, node: onnx.NodeProto) -> tuple[float, int, int]:
    """Scale of the activations that the layer reads, and the smallest and largest integer."""
    bounds = np.iinfo(graph.constants[graph.producer[node.input[0]].input[2]].dtype)
    return _activation_scale(graph, node), bounds.min, bounds.max


def _rounded_weight(graph: Graph, node: onnx.NodeProto) -> Array:
    dequantize = graph.producer[node.input[1]]
    weight = graph.constants[dequantize.input[0]].astype(np.float64)
    return weight * graph.constants[dequantize.input[1]].reshape(-1, *[1] * (weight.ndim - 1))


def _mean_output(weight: Array, mean: Array, group: int) -> Array:
    """Mean output (O,) of a convolution with weights (O, I/g, ..), from its input channels' means (I,)."""
    summed = weight.astype(np.float64).reshape(*weight.shape[:2], -1).sum(axis=2)
    output: Array = (summed.reshape(group, -1, weight.shape[1]) * mean.reshape(group, 1, -1)).sum(axis=2).ravel()
    return output


def _means(
    model: onnx.ModelProto, rounding: dict[str, tuple[float, int, int]], samples: Sequence[Sample]
) -> tuple[dict[str, Array], dict[str, Array]]:
    """Channel means of each tensor over the samples, in floating point and rounded to (scale, smallest, largest)."""
    exact: dict[str, Array] = {}
    rounded: dict[str, Array] = {}
    for values in activations(model, sorted(rounding), samples):
        for name, value in values.items():
            axes, (scale, smallest, largest) = (0, *range(2, value.ndim)), rounding[name]
            int8 = np.clip(np.round(value / scale), smallest, largest) * scale
            exact[name] = exact.get(name, 0) + value.mean(axis=axes, dtype=np.float64) / len(samples)
            rounded[name] = rounded.get(name, 0) + int8.mean(axis=axes, dtype=np.float64) / len(samples)
    return exact, rounded
