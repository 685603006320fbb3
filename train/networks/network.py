"""What all networks share: their interface, their entry in the registry, and pooling to one vector per clip."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn import functional as F

from edge.contract.layouts import JointLayout

CHANNELS = 3
"""Channels of a clip: x, y and how far the joint was seen."""


@dataclass(frozen=True)
class Network:
    """make: (classes, layout, bodies, width) -> module. width: default number of channels of the first units.

    The module maps a clip (N, 3, T, V, M) to (logits (N, K), features (N*M, D, T/4, V)); its ``features`` is D.
    """

    make: Callable[[int, JointLayout, int, int], nn.Module]
    width: int


def global_mean(x: Tensor, bodies: int) -> Tensor:
    """(N*M, D, T', V) -> (N, D): mean over frames and joints, then over bodies."""
    # Not mean(): over several axes it is exported at opset 18, which TensorRT 8.5 does not support.
    return mean_over_bodies(F.avg_pool2d(x, (x.shape[2], x.shape[3])).flatten(1), bodies)


def mean_over_bodies(pooled: Tensor, bodies: int) -> Tensor:
    """(N*M, D) -> (N, D): mean over bodies."""
    return pooled if bodies == 1 else pooled.unflatten(0, (-1, bodies)).sum(dim=1) / bodies
