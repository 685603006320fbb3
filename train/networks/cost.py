"""Parameters and multiply-accumulates of a network; ``benchmarks/networks.md`` lists those of all networks."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode


@dataclass(frozen=True)
class Cost:
    """Learned parameters, and multiply-accumulates (MACs) for one clip."""

    parameters: int
    macs: int


def cost(network: nn.Module, frames: int, joints: int, bodies: int) -> Cost:
    """Count the parameters, and the MACs of convolutions and matrix products for one clip (1, 3, T, V, M)."""
    parameters = next(network.parameters())
    clip = torch.zeros(1, 3, frames, joints, bodies, dtype=parameters.dtype, device=parameters.device)
    training = network.training
    network.eval()
    with torch.inference_mode(), FlopCounterMode(display=False) as counter:
        network(clip)
    network.train(training)
    return Cost(sum(p.numel() for p in network.parameters()), counter.get_total_flops() // 2)
