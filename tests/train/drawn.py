"""What networks are given in tests, and how large they are."""

import torch
from torch import Tensor, nn


def seeded(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0))


def parameters(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())
