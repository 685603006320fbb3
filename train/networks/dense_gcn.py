"""DenseGCN, the student to deploy: six units of one learned adjacency and plain convolutions.

This project's own network, made for INT8 and Tensor Cores. Each unit applies its adjacency (initialised as in Kipf and
Welling, ICLR 2017, equation 2) before the convolution, so every BatchNorm follows a convolution and folds into it. The
adjacency is a MatMul with a constant, which stays in FP16 beside INT8 convolutions. ReLU fuses.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from edge.contract.layouts import JointLayout
from train.networks.network import CHANNELS, global_mean
from train.networks.skeleton_graph import hop_distances, normalised

# Of each unit: width as a multiple of the first unit's, stride in frames.
UNITS = ((1, 1), (1, 1), (2, 2), (2, 1), (4, 2), (4, 1))
KERNEL_FRAMES = 5


class DenseGcn(nn.Module):
    """Clip (N, C, T, V, M) -> (logits (N, K), features (N*M, D, T/4, V)), D = 4 * width.

    stem: first convolution, (N*M, C, T, V) -> (N*M, width, T, V); by default 1x1.
    """

    def __init__(
        self, classes: int, layout: JointLayout, bodies: int, width: int, stem: nn.Module | None = None
    ) -> None:
        super().__init__()
        self.bodies = bodies
        stem = nn.Conv2d(CHANNELS, width, 1, bias=False) if stem is None else stem
        self.stem = nn.Sequential(stem, nn.BatchNorm2d(width), nn.ReLU())
        units: list[Unit] = []
        in_channels = width
        for factor, stride in UNITS:
            units.append(Unit(in_channels, width * factor, layout, stride))
            in_channels = width * factor
        self.units = nn.ModuleList(units)
        self.features = in_channels
        self.dropout = nn.Dropout(0.2)
        self.fc = nn.Linear(in_channels, classes)

    def forward(self, clip: Tensor) -> tuple[Tensor, Tensor]:
        # One body needs no Transpose node in the exported network.
        x = clip.squeeze(-1) if self.bodies == 1 else clip.permute(0, 4, 1, 2, 3).flatten(0, 1)
        x = self._feature_map(x)
        return self.fc(self.dropout(global_mean(x, self.bodies))), x

    def _feature_map(self, x: Tensor) -> Tensor:
        """(N*M, C, T, V) -> (N*M, D, T/4, V)."""
        x = self.stem(x)
        for unit in self.units:
            x = unit(x)
        return x


class Unit(nn.Module):
    """(N, C, T, V) -> (N, D, T / stride, V): adjacency, 1x1 convolution, 5x1 convolution over time, shortcut."""

    def __init__(self, in_channels: int, out_channels: int, layout: JointLayout, stride: int) -> None:
        super().__init__()
        self.mix = nn.Parameter(normalised_adjacency(layout))
        self.spatial = nn.Sequential(*_convolution(in_channels, out_channels), nn.ReLU())
        self.temporal = nn.Sequential(*_convolution(out_channels, out_channels, KERNEL_FRAMES, stride))
        self.shortcut: nn.Module = nn.Identity()
        if in_channels != out_channels or stride != 1:
            self.shortcut = nn.Sequential(*_convolution(in_channels, out_channels, stride=stride))

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.temporal(self.spatial(x @ self.mix)) + self.shortcut(x))


def _convolution(in_channels: int, out_channels: int, frames: int = 1, stride: int = 1) -> tuple[nn.Module, nn.Module]:
    """Convolution over ``frames`` frames, (N, C, T, V) -> (N, D, T / stride, V), and its BatchNorm."""
    convolution = nn.Conv2d(in_channels, out_channels, (frames, 1), (stride, 1), (frames // 2, 0), bias=False)
    return convolution, nn.BatchNorm2d(out_channels)


def normalised_adjacency(layout: JointLayout) -> Tensor:
    """D^-1/2 (A + I) D^-1/2 (V, V), the adjacency with self-loops of Kipf and Welling, ICLR 2017, equation 2."""
    return normalised((hop_distances(layout) <= 1).float())
