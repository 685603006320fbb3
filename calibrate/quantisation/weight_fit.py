"""Fit each layer's INT8 weights so that its output from INT8 inputs matches the FP32 layer's output.

Rounding each weight to nearest is optimal only for uncorrelated inputs. A layer's inputs are correlated, so the
rounding error of one weight can be compensated by others. For each convolution, in the order they run:

1. Refit the weights by ridge regression: from the INT8 activations, which carry the error of all layers before, they
   predict what the FP32 layer computes from FP32 activations. The ridge pulls towards the FP32 weights.
2. Round the weights one input at a time; the weights not yet rounded compensate the error (GPTQ).
3. Correct the bias by the difference in mean output that remains.

This needs only the first and second moments of the layer's inputs: no gradients, no samples beyond calibration's.

Sources: Hubara et al., "Accurate Post Training Quantization With Small Calibration Sets", ICML 2021 (refitting on
INT8 inputs); Frantar and Alistarh, "Optimal Brain Compression", NeurIPS 2022, and Frantar et al., "GPTQ", ICLR
2023, algorithm 1 (rounding in turn, from one Cholesky factor).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx

from calibrate.quantisation.onnx_graph import Array, Graph, Sample, attributes, copied, group_of, runs_in_int8
from calibrate.quantisation.piecewise import Piecewise
from edge.cli.progress_bar import track

LARGEST = 127
POSITIONS = 1024
"""Largest number of output positions used of each sample."""
RIDGE = 1.0
"""Ridge of the refit, as a multiple of the inputs' mean variance.

Quantisation noise in the inputs shrinks least-squares weights, layer after layer. With 0.01 MobileNet-thin's maps kept
their strength in the scene that the weights were fitted to, and lost half of it in other scenes.
"""
CONSTANT = 1e-4
"""Inputs whose variance is below this part of their mean square count as constant: it may be FP32 rounding error."""
DAMPING = 0.01
"""Like RIDGE, for the compensation of rounding errors, which are small."""


@dataclass(frozen=True)
class _Moments:
    """Moments of a layer's inputs over all positions of all samples. G groups; K inputs to each output of a group.

    mean, wanted_mean: (G, K), of the INT8 and of the FP32 inputs. variance: (G, K, K), of the INT8 inputs.
    covariance: (G, K, K), of the FP32 inputs (rows) with the INT8 inputs (columns).
    """

    mean: Array
    wanted_mean: Array
    variance: Array
    covariance: Array


def fitted(quantised: onnx.ModelProto, model: onnx.ModelProto, samples: Sequence[Sample]) -> onnx.ModelProto:
    """Return ``quantised`` with fitted weights and biases in its INT8 convolutions.

    model: the FP32 network it was made from, in which no two layers share parameters.
    """
    result = copied(quantised)
    graph, before = Graph(result), Graph(model)
    original = {n.name: n for n in before.nodes("Conv")}
    exact, rounded = Piecewise(model, samples), Piecewise(result, samples)
    layers = [n for n in graph.nodes("Conv") if runs_in_int8(graph, n)]
    for node in track(layers, "fitting weights", len(layers)):
        wanted = before.constants[original[node.name].input[1]].astype(np.float64)
        moments = _moments(exact.input_of(node.name), rounded.input_of(node.name), node, wanted.shape)
        weight = wanted.reshape(moments.mean.shape[0], -1, moments.mean.shape[1])
        refitted = _refitted(weight, moments)
        dequantize = graph.producer[node.input[1]]
        scale = np.maximum(np.abs(refitted).max(axis=2, keepdims=True), 1e-12) / LARGEST
        integers = _compensated_rounding(refitted, moments.variance, scale)
        shift = (weight @ moments.wanted_mean[..., None] - (integers * scale) @ moments.mean[..., None]).ravel()
        graph.set_constant(dequantize.input[0], integers.reshape(wanted.shape))
        graph.set_constant(dequantize.input[1], scale.ravel())
        graph.add_to_bias(node, shift)
    return result


def _refitted(weight: Array, moments: _Moments) -> Array:
    """Weights (G, O, K) of least squared error on INT8 inputs, with a ridge towards ``weight`` (G, O, K)."""
    variance = _with_ridge(moments.variance, RIDGE)
    # The covariance of the output error with the inputs.
    error = weight @ (moments.covariance - moments.variance)
    correction = np.linalg.solve(variance, error.transpose(0, 2, 1)).transpose(0, 2, 1)
    result: Array = weight + correction
    return result


def _compensated_rounding(weight: Array, variance: Array, scale: Array) -> Array:
    """Integers -127..127 (G, O, K) for weights (G, O, K) and scales (G, O, 1); GPTQ, algorithm 1."""
    remaining = weight.copy()
    integers = np.zeros_like(weight)
    factor = _inverse_factor(variance)
    for k in range(weight.shape[2]):
        integers[:, :, k] = np.clip(np.round(remaining[:, :, k] / scale[:, :, 0]), -LARGEST, LARGEST)
        error = (remaining[:, :, k] - integers[:, :, k] * scale[:, :, 0]) / factor[:, None, k, k]
        remaining[:, :, k + 1 :] -= error[:, :, None] * factor[:, None, k, k + 1 :]
    return integers


def _inverse_factor(variance: Array) -> Array:
    """Upper Cholesky factor of the inverse: row k distributes weight k's error over the weights after it."""
    try:
        factor: Array = np.linalg.cholesky(np.linalg.inv(_with_ridge(variance, DAMPING)))
    except np.linalg.LinAlgError:
        # Beside a large mean, a small variance in single precision may have negative eigenvalues: round to nearest.
        return np.broadcast_to(np.eye(variance.shape[-1]), variance.shape)
    return factor.transpose(0, 2, 1)


def _with_ridge(variance: Array, ridge: float) -> Array:
    """Variance (G, K, K) plus ``ridge`` times its mean on the diagonal."""
    size = variance.shape[-1]
    mean = np.trace(variance, axis1=1, axis2=2) / size
    result: Array = variance + (ridge * mean + 1e-12)[:, None, None] * np.eye(size)
    return result


def _moments(
    float_inputs: Sequence[Array], int8_inputs: Sequence[Array], layer: onnx.NodeProto, shape: tuple[int, ...]
) -> _Moments:
    """Moments of a layer with weights of ``shape`` (O, I/G, kernel)."""
    groups, size = group_of(layer), int(np.prod(shape[1:]))
    mean, wanted_mean = np.zeros((groups, size)), np.zeros((groups, size))
    variance, covariance = np.zeros((groups, size, size)), np.zeros((groups, size, size))
    for both in zip(float_inputs, int8_inputs, strict=True):
        fp32, int8 = (patches(inputs, layer, shape[2:], POSITIONS) for inputs in both)
        share = 1 / (int8.shape[2] * len(float_inputs))
        mean += share * int8.sum(axis=2, dtype=np.float64)
        wanted_mean += share * fp32.sum(axis=2, dtype=np.float64)
        variance += share * (int8 @ int8.transpose(0, 2, 1))
        covariance += share * (fp32 @ int8.transpose(0, 2, 1))
    variance -= mean[:, :, None] * mean[:, None, :]
    covariance -= wanted_mean[:, :, None] * mean[:, None, :]
    constant = np.trace(variance, axis1=1, axis2=2) < CONSTANT * (mean**2).sum(axis=1)
    variance[constant] = covariance[constant] = 0
    return _Moments(mean, wanted_mean, variance, covariance)


def patches(x: Array, convolution: onnx.NodeProto, kernel: Sequence[int], most: int | None = None) -> Array:
    """Return the inputs (G, I/G * kernel, positions) of every output position of a convolution of x (N, I, ...).

    most: at most this many positions, evenly spaced.
    """
    axes = x.ndim - 2
    stated = attributes(convolution)
    strides, dilations = stated.get("strides", [1] * axes), stated.get("dilations", [1] * axes)
    extent = [(k - 1) * d + 1 for k, d in zip(kernel, dilations, strict=True)]
    padded = np.pad(x, ((0, 0), (0, 0), *_pads(stated, x.shape[2:], extent, strides)))
    spatial: Any = tuple(range(2, x.ndim))  # NumPy 2.2 declares axis as a single number
    windows = np.lib.stride_tricks.sliding_window_view(padded, extent, axis=spatial)
    steps = (slice(None), slice(None), *[slice(None, None, s) for s in (*strides, *dilations)])
    windows = windows[steps]
    windows = np.moveaxis(windows, 1, axes + 1)  # (N, output positions, I, kernel)
    positions = windows.shape[: axes + 1]
    available = int(np.prod(positions))
    kept = np.linspace(0, available - 1, min(available, most or available)).astype(int)
    chosen = windows[np.unravel_index(kept, positions)]
    result: Array = chosen.reshape(len(kept), group_of(convolution), -1).transpose(1, 2, 0)
    return np.ascontiguousarray(result)


def _pads(
    stated: Mapping[str, Any], size: Sequence[int], extent: Sequence[int], strides: Sequence[int]
) -> list[tuple[int, int]]:
    """Padding before and after each axis: ``pads``, or what ``auto_pad`` makes of the input size (ONNX, Conv)."""
    axes = len(size)
    auto = stated.get("auto_pad", b"NOTSET")
    if auto == b"NOTSET":
        pads = stated.get("pads", [0, 0] * axes)
        return list(zip(pads[:axes], pads[axes:], strict=True))
    if auto == b"VALID":
        return [(0, 0)] * axes
    total = [max((-(-n // s) - 1) * s + e - n, 0) for n, e, s in zip(size, extent, strides, strict=True)]
    return [(t // 2, t - t // 2) if auto == b"SAME_UPPER" else (t - t // 2, t // 2) for t in total]
