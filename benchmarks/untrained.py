"""Untrained networks to time, and clips for them; weights do not affect the time."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from edge.contract.layouts import layout
from edge.contract.types import Float32

JOINTS, FRAMES = "penn-13", 32


def smooth_motion(frames: int = FRAMES, clips: int = 1) -> Float32:
    """Clips (N, 3, T, V, 1)."""
    steps = np.random.default_rng(0).standard_normal((clips, 3, frames, len(layout(JOINTS)), 1))
    return (np.cumsum(steps, axis=2) / 10).astype(np.float32)


def with_statistics(network: nn.Module, clips: Float32) -> None:
    """Give BatchNorm the statistics of these clips, and set the network to inference.

    Otherwise all logits are nearly equal: a wrong step goes unnoticed, and activations have no range to quantise.
    """
    for module in network.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            module.momentum = 1.0
    with torch.inference_mode():
        network(torch.from_numpy(clips))
    network.eval()
