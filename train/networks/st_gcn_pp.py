"""ST-GCN++: ST-GCN with learned adjacencies, a shortcut inside the graph convolution, and six temporal branches.

Source: Duan, Wang, Chen, Lin, "PYSKL: Towards Good Practices for Skeleton Action Recognition", ACM MM 2022,
section 4.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from edge.contract.layouts import JointLayout
from train.networks.skeleton_graph import spatial_partition
from train.networks.st_gcn import Unit, apply_adjacencies, shortcut

DILATIONS = (1, 2, 3, 4)
BRANCHES = len(DILATIONS) + 2
"""Dilated convolutions over three frames, max pooling over three frames, and a 1x1 convolution."""


def unit(in_channels: int, out_channels: int, layout: JointLayout, stride: int, *, residual: bool) -> Unit:
    """Adaptive graph convolution, six temporal branches, shortcut if ``residual``."""
    graph = AdaptiveGraphConvolution(in_channels, out_channels, layout)
    temporal = TemporalBranches(out_channels, stride)
    return Unit(graph, temporal, shortcut(in_channels, out_channels, stride) if residual else None)


class AdaptiveGraphConvolution(nn.Module):
    """(N, C, T, V) -> (N, D, T, V) with unconstrained learned adjacencies.

    They are initialised as ST-GCN's subsets. PYSKL normalises each subset by itself, and joints have weight 1.
    """

    def __init__(self, in_channels: int, out_channels: int, layout: JointLayout) -> None:
        super().__init__()
        self.adjacency = nn.Parameter(spatial_partition(layout))
        self.channels = nn.Conv2d(in_channels, len(self.adjacency) * out_channels, 1)
        self.norm = nn.BatchNorm2d(out_channels)
        self.shortcut = shortcut(in_channels, out_channels, stride=1)

    def forward(self, x: Tensor) -> Tensor:
        mixed = apply_adjacencies(self.channels(x), self.adjacency)
        return F.relu(self.norm(mixed) + self.shortcut(x))


class TemporalBranches(nn.Module):
    """(N, C, T, V) -> (N, C, T / stride, V): six branches, concatenated and mixed by a 1x1 convolution."""

    def __init__(self, channels: int, stride: int) -> None:
        super().__init__()
        each = max(1, channels // BRANCHES)
        first = max(1, channels - each * (BRANCHES - 1))  # the first takes the remainder
        joined = first + each * (BRANCHES - 1)
        branches: list[nn.Module] = []
        for dilation in DILATIONS:
            inner = first if not branches else each
            frames = nn.Conv2d(inner, inner, (3, 1), (stride, 1), (dilation, 0), (dilation, 1))
            branches.append(nn.Sequential(*_reduce(channels, inner), frames))
        branches.append(nn.Sequential(*_reduce(channels, each), nn.MaxPool2d((3, 1), (stride, 1), (1, 0))))
        branches.append(nn.Conv2d(channels, each, 1, (stride, 1)))
        self.branches = nn.ModuleList(branches)
        self.together = nn.Sequential(
            nn.BatchNorm2d(joined), nn.ReLU(), nn.Conv2d(joined, channels, 1), nn.BatchNorm2d(channels)
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.together(torch.cat([branch(x) for branch in self.branches], dim=1))


def _reduce(channels: int, inner: int) -> tuple[nn.Module, ...]:
    return nn.Conv2d(channels, inner, 1), nn.BatchNorm2d(inner), nn.ReLU()
