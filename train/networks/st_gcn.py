"""ST-GCN, the standard baseline of skeleton-based action recognition.

Source: Yan, Xiong, Lin, "Spatial Temporal Graph Convolutional Networks for Skeleton-Based Action Recognition", AAAI
2018, section 3, with the ten units and the learned edge importance of its release. As in PYSKL's recipe, which raises
the same network from 81.5 to 87.8 % on NTU-60 X-Sub, there is no dropout between units (0.5 in the paper).
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from edge.contract.layouts import JointLayout
from train.networks.network import CHANNELS, global_mean
from train.networks.skeleton_graph import spatial_partition

UNITS = ((1, 1), (1, 1), (1, 1), (1, 1), (2, 2), (2, 1), (2, 1), (4, 2), (4, 1), (4, 1))
"""Of each unit: channels as a multiple of the first unit's, stride in frames."""

KERNEL_FRAMES = 9


class StGcn(nn.Module):
    """Clip (N, C, T, V, M) -> (logits (N, K), features (N*M, 4 * width, T/4, V)).

    unit: factory of each of the ten units, see :func:`unit`.
    """

    def __init__(self, classes: int, layout: JointLayout, bodies: int, width: int, unit: Callable[..., Unit]) -> None:
        super().__init__()
        self.bodies = bodies
        self.entrance = InputNorm(len(layout))
        units: list[nn.Module] = []
        in_channels = CHANNELS
        for number, (factor, stride) in enumerate(UNITS):
            units.append(unit(in_channels, width * factor, layout, stride, residual=number > 0))
            in_channels = width * factor
        self.units = nn.Sequential(*units)
        self.features = in_channels
        self.fc = nn.Linear(in_channels, classes)

    def forward(self, clip: Tensor) -> tuple[Tensor, Tensor]:
        x = self.units(self.entrance(clip))
        return self.fc(global_mean(x, self.bodies)), x


class InputNorm(nn.Module):
    """Input BatchNorm: clip (N, C, T, V, M) -> (N*M, C, T, V), each channel of each joint on its own."""

    def __init__(self, joints: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(CHANNELS * joints)

    def forward(self, clip: Tensor) -> Tensor:
        n, c, t, v, m = clip.shape
        x = clip.permute(0, 4, 1, 3, 2).reshape(n * m, c * v, t)
        return self.norm(x).reshape(n * m, c, v, t).transpose(2, 3)


class Unit(nn.Module):
    """(N, C, T, V) -> (N, D, T / stride, V): graph convolution, temporal convolution, optional shortcut."""

    def __init__(self, graph: nn.Module, temporal: nn.Module, shortcut: nn.Module | None) -> None:
        super().__init__()
        self.graph, self.temporal, self.shortcut = graph, temporal, shortcut

    def forward(self, x: Tensor) -> Tensor:
        main = self.temporal(self.graph(x))
        return F.relu(main if self.shortcut is None else main + self.shortcut(x))


def shortcut(in_channels: int, out_channels: int, stride: int) -> nn.Module:
    """(N, C, T, V) -> (N, D, T / stride, V): identity where the shapes agree, else a 1x1 convolution."""
    if in_channels == out_channels and stride == 1:
        return nn.Identity()
    return nn.Sequential(nn.Conv2d(in_channels, out_channels, 1, (stride, 1)), nn.BatchNorm2d(out_channels))


def unit(in_channels: int, out_channels: int, layout: JointLayout, stride: int, *, residual: bool) -> Unit:
    """Graph convolution over three subsets of neighbours, convolution over nine frames, shortcut if ``residual``."""
    temporal = nn.Sequential(
        nn.BatchNorm2d(out_channels),
        nn.ReLU(),
        nn.Conv2d(out_channels, out_channels, (KERNEL_FRAMES, 1), (stride, 1), (KERNEL_FRAMES // 2, 0)),
        nn.BatchNorm2d(out_channels),
    )
    return Unit(
        GraphConvolution(in_channels, out_channels, layout),
        temporal,
        shortcut(in_channels, out_channels, stride) if residual else None,
    )


class GraphConvolution(nn.Module):
    """(N, C, T, V) -> (N, D, T, V): sum over subsets k of (W_k x + b_k) (A_k * M_k), M_k learned (equation 10)."""

    def __init__(self, in_channels: int, out_channels: int, layout: JointLayout) -> None:
        super().__init__()
        self.adjacency: Tensor
        self.register_buffer("adjacency", spatial_partition(layout))
        self.importance = nn.Parameter(torch.ones_like(self.adjacency))
        self.channels = nn.Conv2d(in_channels, len(self.adjacency) * out_channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        return apply_adjacencies(self.channels(x), self.adjacency * self.importance)


def apply_adjacencies(x: Tensor, adjacency: Tensor) -> Tensor:
    """(N, S * C, T, V), (S, V, V) -> (N, C, T, V): multiply each subset's channels by its adjacency and sum."""
    channels = x.shape[1] // len(adjacency)
    total = x[:, :channels] @ adjacency[0]
    for subset in range(1, len(adjacency)):
        # Slices, not chunk(): equal parts are exported as a Split of opset 18, which TensorRT 8.5 does not support.
        total = total + x[:, subset * channels : (subset + 1) * channels] @ adjacency[subset]
    return total
