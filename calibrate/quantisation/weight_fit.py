"""Weights chosen so that each layer, on what it really reads in eight bits, gives what it gave in floating point.

Rounding each weight to its nearest step is best only if inputs are unrelated. They are not: a layer's inputs rise and
fall together, so an error in one weight can be made good by its neighbours. Layer by layer, in the order they run:

1. The weights are refitted by least squares: the layer reads eight-bit activations, with all that the layers before
   it have done to them, and shall give what the FP32 layer gives from FP32 activations. As far as the pictures do
   not say, weights stay what they were.
2. They are rounded one after the other; what rounding changes in the output is made good by those not yet rounded.
3. The bias takes up what is left of the mean.

All of it needs the second moments of what the layer reads and nothing else: no gradients, no other samples than those
of calibration.

Sources: Hubara et al., "Accurate Post Training Quantization With Small Calibration Sets", ICML 2021 (refitting on
eight-bit inputs); Frantar and Alistarh, "Optimal Brain Compression", NeurIPS 2022, and Frantar et al., "GPTQ", ICLR
2023, algorithm 1 (rounding in turn, from one Cholesky factor).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import onnx
from rich.progress import track

from calibrate.quantisation.bias_correction import runs_in_int8
from calibrate.quantisation.onnx_graph import Array, Graph, Sample, attributes, copied, group_of
from calibrate.quantisation.piecewise import Piecewise
from edge.cli.console import console

LARGEST = 127
POSITIONS = 1024
"""Of each sample, at most; more say nothing that the next sample would not."""
STIFFNESS = 1.0
"""Pull of refitted weights towards what they were, as part of the mean variance of the inputs.

What eight bits add to the inputs is noise, and least squares answer noise with smaller weights, layer after layer. With
0.01 MobileNet-thin's maps kept their strength in the scene that weights were fitted to and lost half of it in others.
"""
STILL = 1e-4
"""Variance, as part of the mean square, of inputs that hardly vary: what is less may be rounding in single precision.
They say nothing but their mean."""
DAMPING = 0.01
"""The like, where rounding is made good by weights not yet rounded: the errors are small, and so is what they ask."""


@dataclass(frozen=True)
class _Moments:
    """Of K values that each output of a group is summed from, over all positions of all samples.

    mean, wanted_mean: (G, K), of what is read in eight bits and in floating point. variance: (G, K, K) of the former;
    covariance: (G, K, K) of the latter with the former.
    """

    mean: Array
    wanted_mean: Array
    variance: Array
    covariance: Array


def fitted(quantised: onnx.ModelProto, model: onnx.ModelProto, samples: Sequence[Sample]) -> onnx.ModelProto:
    """``quantised`` with the weights and biases of its quantised convolutions fitted. model: what it was made from."""
    result = copied(quantised)
    graph, before = Graph(result), Graph(model)
    original = {n.name: n for n in before.nodes("Conv")}
    exact, rounded = Piecewise(model, samples), Piecewise(result, samples)
    for node in track([n for n in graph.nodes("Conv") if runs_in_int8(graph, n)], "fitting weights", console=console):
        source = original[node.name]
        wanted = before.constants[source.input[1]].astype(np.float64)
        moments = _moments(exact.input_of(node.name), rounded.input_of(node.name), node, wanted.shape)
        weight = wanted.reshape(moments.mean.shape[0], -1, moments.mean.shape[1])
        bias = before.constants[source.input[2]].astype(np.float64) if len(source.input) > 2 else np.zeros(len(wanted))
        refitted = _refitted(weight, moments)
        dequantize = graph.producer[node.input[1]]
        step = np.maximum(np.abs(refitted).max(axis=2, keepdims=True), 1e-12) / LARGEST
        steps = _rounded_in_turn(refitted, moments.variance, step)
        mean = (weight @ moments.wanted_mean[..., None] - (steps * step) @ moments.mean[..., None]).ravel()
        graph.set_constant(dequantize.input[0], steps.reshape(wanted.shape))
        graph.set_constant(dequantize.input[1], step.ravel())
        graph.set_bias(node, bias + mean)
    return result


def _refitted(weight: Array, moments: _Moments) -> Array:
    """(G, O, K) of least error on eight-bit inputs, drawn towards ``weight`` (G, O, K)."""
    variance = _stiffened(moments.variance, STIFFNESS)
    # weight @ (covariance - variance) is what the outputs' error has in common with the inputs.
    common = weight @ (moments.covariance - moments.variance)
    correction = np.linalg.solve(variance, common.transpose(0, 2, 1)).transpose(0, 2, 1)
    result: Array = weight + correction
    return result


def _rounded_in_turn(weight: Array, variance: Array, step: Array) -> Array:
    """Whole steps -127..127 (G, O, K) for weights (G, O, K) of steps (G, O, 1)."""
    left = weight.copy()
    steps = np.zeros_like(weight)
    # Rows of the upper factor of the inverse: how the later weights answer for an error in each.
    factor = np.linalg.cholesky(np.linalg.inv(_stiffened(variance, DAMPING))).transpose(0, 2, 1)
    for k in range(weight.shape[2]):
        steps[:, :, k] = np.clip(np.round(left[:, :, k] / step[:, :, 0]), -LARGEST, LARGEST)
        error = (left[:, :, k] - steps[:, :, k] * step[:, :, 0]) / factor[:, None, k, k]
        left[:, :, k + 1 :] -= error[:, :, None] * factor[:, None, k, k + 1 :]
    return steps


def _stiffened(variance: Array, stiffness: float) -> Array:
    size = variance.shape[-1]
    mean = np.trace(variance, axis1=1, axis2=2) / size
    result: Array = variance + (stiffness * mean + 1e-12)[:, None, None] * np.eye(size)
    return result


def _moments(
    float_inputs: Sequence[Array], eight_bit_inputs: Sequence[Array], layer: onnx.NodeProto, shape: tuple[int, ...]
) -> _Moments:
    """shape: of the layer's weights (O, I/G, height, width)."""
    groups, size = group_of(layer), int(np.prod(shape[1:]))
    mean, wanted_mean = np.zeros((groups, size)), np.zeros((groups, size))
    variance, covariance = np.zeros((groups, size, size)), np.zeros((groups, size, size))
    for exact, rounded in zip(float_inputs, eight_bit_inputs, strict=True):
        there, here = (patches(inputs, layer, shape[2:], POSITIONS) for inputs in (exact, rounded))
        share = 1 / (here.shape[2] * len(float_inputs))
        mean += share * here.sum(axis=2, dtype=np.float64)
        wanted_mean += share * there.sum(axis=2, dtype=np.float64)
        variance += share * (here @ here.transpose(0, 2, 1))
        covariance += share * (there @ here.transpose(0, 2, 1))
    variance -= mean[:, :, None] * mean[:, None, :]
    covariance -= wanted_mean[:, :, None] * mean[:, None, :]
    still = np.trace(variance, axis1=1, axis2=2) < STILL * (mean**2).sum(axis=1)
    variance[still] = covariance[still] = 0
    return _Moments(mean, wanted_mean, variance, covariance)


def patches(x: Array, convolution: onnx.NodeProto, kernel: Sequence[int], most: int | None = None) -> Array:
    """(G, I/G * kernel, positions) of (N, I, H, W): what each output position of the convolution is summed from.

    most: so many positions, evenly spread, where there are more.
    """
    stated = attributes(convolution)
    above, left, below, right = stated.get("pads", [0, 0, 0, 0])
    down, across = stated.get("strides", [1, 1])
    dilations = stated.get("dilations", [1, 1])
    padded = np.pad(x, ((0, 0), (0, 0), (above, below), (left, right)))
    reach = [(k - 1) * d + 1 for k, d in zip(kernel, dilations, strict=True)]
    windows = np.lib.stride_tricks.sliding_window_view(padded, reach, axis=(2, 3))
    windows = windows[:, :, ::down, ::across, :: dilations[0], :: dilations[1]].transpose(0, 2, 3, 1, 4, 5)
    available = int(np.prod(windows.shape[:3]))
    kept = np.linspace(0, available - 1, min(available, most or available)).astype(int)
    chosen = windows[np.unravel_index(kept, windows.shape[:3])]
    result: Array = chosen.reshape(len(kept), group_of(convolution), -1).transpose(1, 2, 0)
    return np.ascontiguousarray(result)
