"""Which layers lose most in eight bits: each is quantised alone, and the network's outputs are compared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
from numpy.typing import NDArray
from rich.progress import track

from calibrate.quantise import Quantiser
from edge.command_line import console
from edge.contract.errors import ConfigError

SAMPLES = 4
"""Outputs of a few samples rank layers as those of hundreds do, and every layer costs a run for each."""


@dataclass(frozen=True)
class LayerError:
    """error: of the outputs with only this layer in INT8, see relative_error; the largest of the outputs."""

    layer: str
    error: float


def most_sensitive(quantiser: Quantiser, share: float) -> list[str]:
    """Names of the share (0..1) of layers that lose most in eight bits. Raises ConfigError for a share beyond."""
    if not 0 <= share <= 1:
        raise ConfigError(f"float_share {share} is not between 0 and 1")
    count = round(share * len(quantiser.layers))
    return [e.layer for e in layer_errors(quantiser)[:count]] if count else []


def layer_errors(quantiser: Quantiser) -> list[LayerError]:
    """Every layer's error, the worst first. Takes half a second a layer for a pose network."""
    spread = np.linspace(0, len(quantiser.samples) - 1, min(SAMPLES, len(quantiser.samples))).astype(int)
    samples = [quantiser.samples[i] for i in spread]
    wanted = _outputs(quantiser.model, samples)
    errors = []
    for layer in track(quantiser.layers, "ranking layers", console=console):
        others = [name for name in quantiser.layers if name != layer]
        given = _outputs(quantiser.quantised(others, samples), samples)
        errors.append(LayerError(layer, max(relative_error(g, w) for g, w in zip(given, wanted, strict=True))))
    return sorted(errors, key=lambda e: -e.error)


def relative_error(given: NDArray[Any], wanted: NDArray[Any]) -> float:
    """Squared error of (N, C, ..) relative to the variance, channel by channel, and then the mean over channels.

    Channel by channel because the background of heatmaps would otherwise drown the joints.
    """
    axes = (0, *range(2, wanted.ndim))
    variance = np.maximum(wanted.var(axis=axes), 1e-3 * wanted.var() + 1e-12)
    return float((((given - wanted) ** 2).mean(axis=axes) / variance).mean())


def _outputs(model: onnx.ModelProto, samples: Sequence[NDArray[Any]]) -> list[NDArray[Any]]:
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    (name,) = [i.name for i in session.get_inputs()]
    runs = [session.run(None, {name: sample}) for sample in samples]
    return [np.concatenate(parts) for parts in zip(*runs, strict=True)]
