"""EfficientGCN-B0, the smallest of its family: three input branches, separable convolutions, joint attention.

Source: Song, Zhang, Shan, Wang, "Constructing Stronger and Faster Baselines for Skeleton-Based Action Recognition",
IEEE TPAMI 2022, sections 3.2 to 3.5 and the structure of B0 with its SG layer. The graph kernels are equation 3, each
hop distance normalised by itself. The second block of a branch has 32 channels, as in the release: its configuration
says 24, which its code rounds to a multiple of 16.

The branches have the paper's inputs, for two coordinates instead of three: position and position relative to the body
centre; motion over two frames and over one; bones as vectors and as angles. Each branch also gets the clip's third
channel, how far a joint was seen.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from edge.contract.layouts import JointLayout
from train.networks.network import global_mean
from train.networks.skeleton_graph import centre, hop_adjacencies, parents
from train.networks.st_gcn import apply_adjacencies, shortcut

COORDINATES = 2
BRANCH_CHANNELS = 2 * COORDINATES + 1
KERNEL_FRAMES, MAX_HOPS, REDUCTION = 5, 2, 2
EPSILON = 1e-4


class EfficientGcn(nn.Module):
    """Clip (N, 3, T, V, M) -> (logits (N, K), features (N*M, 2 * width, T/4, V)). width: channels of the stem."""

    def __init__(self, classes: int, layout: JointLayout, bodies: int, width: int) -> None:
        super().__init__()
        self.bodies = bodies
        narrow, narrower, wide, wider = (max(1, width * part // 4) for part in (3, 2, 4, 8))
        self.inputs = Inputs(layout)
        self.branches = nn.ModuleList(
            nn.Sequential(
                nn.BatchNorm2d(BRANCH_CHANNELS),
                Spatial(BRANCH_CHANNELS, width, layout),
                Temporal(width),
                Spatial(width, narrow, layout),
                Attention(narrow),
                Spatial(narrow, narrower, layout),
                Attention(narrower),
            )
            for _ in range(3)
        )
        self.main = nn.Sequential(
            Spatial(3 * narrower, wide, layout),
            SeparableTemporal(wide, stride=2),
            Attention(wide),
            Spatial(wide, wider, layout),
            SeparableTemporal(wider, stride=2),
            Attention(wider),
        )
        self.features = wider
        self.dropout = nn.Dropout(0.25)
        self.fc = nn.Linear(wider, classes)

    def forward(self, clip: Tensor) -> tuple[Tensor, Tensor]:
        x = clip.permute(0, 4, 1, 2, 3).flatten(0, 1)
        seen = zip(self.branches, self.inputs(x), strict=True)
        x = self.main(torch.cat([branch(part) for branch, part in seen], dim=1))
        return self.fc(self.dropout(global_mean(x, self.bodies))), x


class Inputs(nn.Module):
    """Input branches (section 3.2): (N, 3, T, V) -> joints, motion and bones, each (N, 5, T, V)."""

    def __init__(self, layout: JointLayout) -> None:
        super().__init__()
        joints, middle, parent = len(layout), list(centre(layout)), list(parents(layout))
        self.to_middle: Tensor
        self.to_parent: Tensor
        relative, bones = torch.eye(joints), torch.eye(joints)
        relative[middle] -= 1 / len(middle)
        bones[parent, torch.arange(joints)] -= 1
        self.register_buffer("to_middle", relative)
        self.register_buffer("to_parent", bones)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        xy, seen = x[:, :COORDINATES], x[:, COORDINATES:]
        bones = xy @ self.to_parent
        length = bones.square().sum(dim=1, keepdim=True).sqrt() + EPSILON
        return (
            torch.cat([xy, xy @ self.to_middle, seen], dim=1),
            torch.cat([_displacement(xy, 2), _displacement(xy, 1), seen], dim=1),
            torch.cat([bones, torch.acos(bones / length), seen], dim=1),
        )


def _displacement(x: Tensor, frames: int) -> Tensor:
    """(N, C, T, V) -> (N, C, T, V): frame t + frames minus frame t; zero for the last ``frames``."""
    return torch.cat([x[:, :, frames:] - x[:, :, :-frames], 0 * x[:, :, :frames]], dim=2)


class Spatial(nn.Module):
    """(N, C, T, V) -> (N, D, T, V): graph convolution over two hops with learned edge weights, shortcut, swish."""

    def __init__(self, in_channels: int, out_channels: int, layout: JointLayout) -> None:
        super().__init__()
        self.adjacency: Tensor
        self.register_buffer("adjacency", hop_adjacencies(layout, MAX_HOPS))
        self.importance = nn.Parameter(torch.ones_like(self.adjacency))
        self.channels = nn.Conv2d(in_channels, len(self.adjacency) * out_channels, 1)
        self.norm = nn.BatchNorm2d(out_channels)
        self.shortcut = shortcut(in_channels, out_channels, stride=1)

    def forward(self, x: Tensor) -> Tensor:
        mixed = apply_adjacencies(self.channels(x), self.adjacency * self.importance)
        return F.silu(self.norm(mixed) + self.shortcut(x))


class Temporal(nn.Module):
    """(N, C, T, V) -> (N, C, T, V): convolution over five frames, shortcut, swish."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.frames = nn.Sequential(*_temporal_convolution(channels, groups=1))

    def forward(self, x: Tensor) -> Tensor:
        return F.silu(self.frames(x) + x)


class SeparableTemporal(nn.Module):
    """SG layer (N, C, T, V) -> (N, C, T / stride, V): depthwise over time, bottleneck, depthwise again; shortcut."""

    def __init__(self, channels: int, stride: int) -> None:
        super().__init__()
        waist = max(1, channels // REDUCTION)
        self.layers = nn.Sequential(
            *_temporal_convolution(channels, groups=channels),
            nn.SiLU(),
            nn.Conv2d(channels, waist, 1),
            nn.BatchNorm2d(waist),
            nn.Conv2d(waist, channels, 1),
            nn.BatchNorm2d(channels),
            nn.SiLU(),
            *_temporal_convolution(channels, groups=channels, stride=stride),
        )
        self.shortcut = shortcut(channels, channels, stride)

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x) + self.shortcut(x)


class Attention(nn.Module):
    """ST-JointAtt, (N, C, T, V) -> (N, C, T, V): per channel, a weight per frame times a weight per joint."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        inner = max(1, channels // REDUCTION)
        self.squeeze = nn.Sequential(nn.Conv2d(channels, inner, 1), nn.BatchNorm2d(inner), nn.Hardswish())
        self.of_frames, self.of_joints = nn.Conv2d(inner, channels, 1), nn.Conv2d(inner, channels, 1)
        self.norm = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        t, v = x.shape[2:]
        # Not mean(): over an axis it is exported at opset 18, which TensorRT 8.5 does not support.
        frames, joints = F.avg_pool2d(x, (1, v)), F.avg_pool2d(x, (t, 1)).transpose(2, 3)
        squeezed = self.squeeze(torch.cat([frames, joints], dim=2))
        frames, joints = squeezed[:, :, :t], squeezed[:, :, t:].transpose(2, 3)
        weight = self.of_frames(frames).sigmoid() * self.of_joints(joints).sigmoid()
        return F.silu(self.norm(x * weight) + x)


def _temporal_convolution(channels: int, *, groups: int, stride: int = 1) -> tuple[nn.Module, ...]:
    kernel, padding = (KERNEL_FRAMES, 1), (KERNEL_FRAMES // 2, 0)
    frames = nn.Conv2d(channels, channels, kernel, (stride, 1), padding, groups=groups)
    return frames, nn.BatchNorm2d(channels)
