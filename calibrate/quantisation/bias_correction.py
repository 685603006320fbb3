"""Rounded weights and clipped activations shift a convolution's mean output; its bias takes the shift back.

Source: Nagel et al., "Data-Free Quantization Through Weight Equalization and Bias Correction", ICCV 2019,
section 4.2, with means taken from data; the border's zero padding is left out of account.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx

from calibrate.quantisation.onnx_graph import Array, Graph, Sample, activations, copied, group_of

ROOM = 2.0**30
"""Steps that a bias may be long; ONNX Runtime keeps biases of quantised convolutions in int32."""


def bias_corrected(quantised: onnx.ModelProto, model: onnx.ModelProto, samples: Sequence[Sample]) -> onnx.ModelProto:
    """``quantised`` with the biases of its quantised convolutions corrected. model: what it was made from."""
    result = copied(quantised)
    graph, before = Graph(result), Graph(model)
    original = {n.name: n for n in before.nodes("Conv")}
    both = [(n, original[n.name]) for n in graph.nodes("Conv") if runs_in_int8(graph, n)]
    steps = {o.input[0]: _rounding(graph, n) for n, o in both}
    float_mean, eight_bit_mean = _means(model, steps, samples)
    for node, source in both:
        tensor = source.input[0]
        weight, rounded = before.constants[source.input[1]], _rounded_weight(graph, node)
        wanted = _mean_output(weight, float_mean[tensor], group_of(node))
        shift = wanted - _mean_output(rounded, eight_bit_mean[tensor], group_of(node))
        graph.add_to_bias(node, shift)
    return result


def scales_widened_for_biases(quantised: onnx.ModelProto) -> onnx.ModelProto:
    """With coarser weights in channels that are all bias.

    ONNX Runtime turns a bias into int32 in steps of (activation step * weight step), unasked and without
    looking for overflow. In a channel whose weights are next to nothing that step is so small that the
    bias does not fit and becomes noise; there the weights' rounding does not matter.
    """
    result = copied(quantised)
    graph = Graph(result)
    for node in graph.nodes("Conv"):
        if not runs_in_int8(graph, node) or len(node.input) < 3:
            continue
        dequantize = graph.producer[node.input[1]]
        step = graph.constants[dequantize.input[1]].astype(np.float64)
        bias = np.abs(graph.constants[node.input[2]].astype(np.float64))
        coarser = np.maximum(step, bias / (_activation_step(graph, node) * ROOM))
        if (coarser > step).any():
            weight = graph.constants[dequantize.input[0]]
            ratio = (step / coarser).reshape(-1, *[1] * (weight.ndim - 1))
            graph.set_constant(dequantize.input[0], np.round(weight * ratio))
            graph.set_constant(dequantize.input[1], coarser)
    return result


def runs_in_int8(graph: Graph, node: onnx.NodeProto) -> bool:
    return all(graph.producer_of_type(name, "DequantizeLinear") for name in node.input[:2])


def _activation_step(graph: Graph, node: onnx.NodeProto) -> float:
    return float(graph.constants[graph.producer[node.input[0]].input[1]])


def _rounding(graph: Graph, node: onnx.NodeProto) -> tuple[float, int, int]:
    """Of what the layer reads: its step, and between how many of them it is clipped."""
    bounds = np.iinfo(graph.constants[graph.producer[node.input[0]].input[2]].dtype)
    return _activation_step(graph, node), bounds.min, bounds.max


def _rounded_weight(graph: Graph, node: onnx.NodeProto) -> Array:
    dequantize = graph.producer[node.input[1]]
    weight = graph.constants[dequantize.input[0]].astype(np.float64)
    return weight * graph.constants[dequantize.input[1]].reshape(-1, *[1] * (weight.ndim - 1))


def _mean_output(weight: Array, mean: Array, group: int) -> Array:
    """(O,) what a convolution with weights (O, I/g, ..) makes of its input channels' means (I,)."""
    summed = weight.astype(np.float64).reshape(*weight.shape[:2], -1).sum(axis=2)
    output: Array = (summed.reshape(group, -1, weight.shape[1]) * mean.reshape(group, 1, -1)).sum(axis=2).ravel()
    return output


def _means(
    model: onnx.ModelProto, steps: dict[str, tuple[float, int, int]], samples: Sequence[Sample]
) -> tuple[dict[str, Array], dict[str, Array]]:
    """Means of each tensor's channels, as they are and rounded to whole steps between a lowest and a largest."""
    exact: dict[str, Array] = {}
    rounded: dict[str, Array] = {}
    for values in activations(model, sorted(steps), samples):
        for name, value in values.items():
            axes, (step, lowest, largest) = (0, *range(2, value.ndim)), steps[name]
            eight_bit = np.clip(np.round(value / step), lowest, largest) * step
            exact[name] = exact.get(name, 0) + value.mean(axis=axes, dtype=np.float64) / len(samples)
            rounded[name] = rounded.get(name, 0) + eight_bit.mean(axis=axes, dtype=np.float64) / len(samples)
    return exact, rounded
