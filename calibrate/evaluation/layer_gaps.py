"""Measure layer by layer how far an INT8 network deviates from its FP32 original."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from calibrate.quantisation.onnx_graph import Graph, joined_activations, read_onnx

FLOAT = onnx.TensorProto.FLOAT
SHOWN = {"Conv", "Gemm", "Add", "Relu", "MatMul"}


@dataclass(frozen=True)
class LayerGap:
    """lost: unexplained variance of the layer's output in INT8, 0..1, mean over channels."""

    layer: str
    operator: str
    lost: float


def layer_gaps(fp32: Path, int8: Path, samples: Sequence[NDArray[Any]]) -> list[LayerGap]:
    """Return the gap of every layer that both networks have, in execution order.

    Channels are compared up to a factor each, because :mod:`calibrate.quantisation.equalise` scales them.
    """
    before, after = read_onnx(fp32), read_onnx(int8)
    # Additions may also compute shapes, in integers.
    types = {v.name: v.type.tensor_type.elem_type for v in onnx.shape_inference.infer_shapes(before).graph.value_info}
    known = {name for name in Graph(after).producer if types.get(name, FLOAT) == FLOAT}
    layers = {n.output[0]: n for n in before.graph.node if n.op_type in SHOWN and n.output[0] in known}
    exact, int8_values = (joined_activations(model, list(layers), samples) for model in (before, after))
    return [
        LayerGap(node.name or name, node.op_type, unexplained_variance(exact[name], int8_values[name]))
        for name, node in layers.items()
    ]


def unexplained_variance(wanted: NDArray[Any], given: NDArray[Any]) -> float:
    """Return 1 - r^2 of arrays (N, C, ..) per channel, averaged over the channels that vary."""
    channels = wanted.shape[1]
    a, b = (np.moveaxis(x.astype(np.float64), 1, 0).reshape(channels, -1) for x in (wanted, given))
    a, b = (x - x.mean(axis=1, keepdims=True) for x in (a, b))
    power, other = (a**2).sum(axis=1), (b**2).sum(axis=1)
    varies = power > 1e-6 * max(float(power.max()), 1e-12)
    if not varies.any():
        return 0.0
    follows = (a * b).sum(axis=1) ** 2 / np.maximum(power * other, 1e-24)
    return float(np.clip(1 - follows[varies], 0, 1).mean())
