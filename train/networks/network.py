"""What all networks share: channels of a clip, and pooling to one vector per clip."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

CHANNELS = 3
"""Channels of a clip: x, y and how far the joint was seen."""


def global_mean(x: Tensor, bodies: int) -> Tensor:
    """(N*M, D, T', V) -> (N, D): mean over frames and joints, then over bodies."""
    # Not mean(): over several axes it is exported at opset 18, which TensorRT 8.5 does not support.
    return mean_over_bodies(F.avg_pool2d(x, (x.shape[2], x.shape[3])).flatten(1), bodies)


def mean_over_bodies(pooled: Tensor, bodies: int) -> Tensor:
    """(N*M, D) -> (N, D): mean over bodies."""
    return pooled if bodies == 1 else pooled.unflatten(0, (-1, bodies)).sum(dim=1) / bodies
