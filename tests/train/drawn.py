"""What networks are given in tests, and how large they are."""

import torch
from torch import Tensor, nn


def seeded(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0))


def lively(network: nn.Module, seed: int = 0) -> nn.Module:
    """The same to evaluate, BatchNorm statistics none at its start value; logits of order 1."""
    torch.manual_seed(seed)
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.running_mean.normal_(0, 0.3)
                module.running_var.uniform_(0.05, 0.5)
                module.bias.normal_(0, 0.3)
        network.fc.weight.normal_()
    return network.eval()


def parameters(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())
