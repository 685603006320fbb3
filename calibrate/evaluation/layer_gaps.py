"""Layer by layer, how far an INT8 network has left its FP32 original: where they part."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from calibrate.quantisation.onnx_graph import Graph, activations, read_onnx

SHOWN = {"Conv", "Gemm", "Add", "Relu", "MatMul"}


@dataclass(frozen=True)
class LayerGap:
    """lost: share of the variance of what the layer gives that INT8 does not follow, 0..1, mean over channels."""

    layer: str
    operator: str
    lost: float


def layer_gaps(fp32: Path, int8: Path, samples: Sequence[NDArray[Any]]) -> list[LayerGap]:
    """Of every layer that both networks have, in the order they run.

    Channels are compared up to a factor each, because quantisation balances them: calibrate/quantisation/equalise.py.
    """
    before, after = read_onnx(fp32), read_onnx(int8)
    known = set(Graph(after).producer)
    layers = {n.output[0]: n for n in before.graph.node if n.op_type in SHOWN and n.output[0] in known}
    exact, eight_bit = (_joined(model, list(layers), samples) for model in (before, after))
    return [
        LayerGap(node.name or name, node.op_type, unexplained_variance(exact[name], eight_bit[name]))
        for name, node in layers.items()
    ]


def unexplained_variance(wanted: NDArray[Any], given: NDArray[Any]) -> float:
    """1 - r^2 of (N, C, ..) channel by channel, averaged over the channels that vary at all."""
    channels = wanted.shape[1]
    a, b = (np.moveaxis(x.astype(np.float64), 1, 0).reshape(channels, -1) for x in (wanted, given))
    a, b = (x - x.mean(axis=1, keepdims=True) for x in (a, b))
    power, other = (a**2).sum(axis=1), (b**2).sum(axis=1)
    varies = power > 1e-6 * max(float(power.max()), 1e-12)
    if not varies.any():
        return 0.0
    follows = (a * b).sum(axis=1) ** 2 / np.maximum(power * other, 1e-24)
    return float(np.clip(1 - follows[varies], 0, 1).mean())


def _joined(model: onnx.ModelProto, tensors: Sequence[str], samples: Sequence[NDArray[Any]]) -> dict[str, NDArray[Any]]:
    parts = list(activations(model, tensors, samples))
    return {name: np.concatenate([part[name] for part in parts]) for name in tensors}
