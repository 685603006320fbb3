"""Rank layers by their sensitivity: quantise each alone and compare the network's decisions and outputs with FP32's."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from calibrate.quantisation.onnx_graph import joined_activations
from calibrate.quantisation.quantise import Quantiser
from edge.bench.accuracy_figures import agreement
from edge.cli.progress_bar import track
from edge.pose.heatmap_estimator import PEAKS

SAMPLES = 4
"""Samples that biases are corrected on, and that rank a pose network's layers: a few images do as well as hundreds."""


@dataclass(frozen=True)
class LayerLoss:
    """Loss against FP32 when only this layer is in INT8.

    decisions_lost: share of samples whose decision changes, 0..1; 0 for networks that do not decide.
    error: relative_error of the output where it is largest.
    """

    layer: str
    decisions_lost: float
    error: float


def layer_losses(quantiser: Quantiser, samples: Sequence[NDArray[Any]]) -> list[LayerLoss]:
    """Return every layer's loss over the samples, worst first: by decisions, then by error."""
    wanted = outputs(quantiser.model, samples)
    decides = wanted[0].ndim == 2  # logits (N, K), not maps
    losses = []
    for layer in track(quantiser.layers, "ranking layers", len(quantiser.layers)):
        others = [name for name in quantiser.layers if name != layer]
        given = outputs(quantiser.rounded(others, samples[:SAMPLES]), samples)
        lost = 1 - agreement(wanted[0], given[0]) / 100 if decides else 0.0
        error = max(relative_error(g, w) for g, w in zip(given, wanted, strict=True))
        losses.append(LayerLoss(layer, lost, error))
    return sorted(losses, key=lambda loss: (-loss.decisions_lost, -loss.error))


def smallest_passing(most: int, passes: Callable[[int], bool]) -> int | None:
    """Return the smallest n in 0..most for which ``passes(n)``, or None. Passing must be monotonic in n.

    Tries 0, 1, 2, 4, .. and then bisects, so that few trials have many float layers.
    """
    fails, n = -1, 0
    while not passes(n):
        if n == most:
            return None
        fails, n = n, min(max(1, 2 * n), most)
    while n - fails > 1:
        middle = (fails + n) // 2
        if passes(middle):
            n = middle
        else:
            fails = middle
    return n


def relative_error(given: NDArray[Any], wanted: NDArray[Any]) -> float:
    """Squared error of (N, C, ..) relative to the variance, channel by channel, and then the mean over channels.

    Channel by channel because the background of heatmaps would otherwise drown the joints.
    """
    axes = (0, *range(2, wanted.ndim))
    variance = np.maximum(wanted.var(axis=axes), 1e-3 * wanted.var() + 1e-12)
    return float((((given - wanted) ** 2).mean(axis=axes) / variance).mean())


def outputs(model: onnx.ModelProto, samples: Sequence[NDArray[Any]]) -> list[NDArray[Any]]:
    """Return each output over all samples, except peaks, which heatmaps determine."""
    names = [o.name for o in model.graph.output if o.name != PEAKS]
    return list(joined_activations(model, names, samples).values())
