"""Shift-GCN, the paper's teacher, and the student with inter-body aggregation.

Sources: Cheng et al., "Skeleton-Based Action Recognition with Shift Graph Convolutional Network", CVPR 2020, section 3;
Bian et al., IEEE TIP 2021, for the student's unit. Names and shapes of parameters and buffers are those of both public
releases (kchengiva/Shift-GCN, xiaochehe/SKD), so checkpoints are interchangeable; :mod:`train.networks.release` loads
theirs.
"""

from __future__ import annotations

from collections import OrderedDict

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from edge.contract.layouts import JointLayout
from train.networks.network import CHANNELS, global_mean

# Of each unit: width as a multiple of the first unit's, stride in frames.
UNITS = ((1, 1), (1, 1), (1, 1), (1, 1), (2, 2), (2, 1), (2, 1), (4, 2), (4, 1), (4, 1))


class ShiftGcn(nn.Module):
    """Clip (N, C, T, V, M) -> (logits (N, K), features (N*M, D, T/4, V)), D = 4 * width.

    width: channels of the first units, 64 in the paper. inter_body: the student's units, with inter-body aggregation.
    """

    def __init__(self, classes: int, layout: JointLayout, bodies: int, width: int, inter_body: bool = False) -> None:
        super().__init__()
        joints, in_channels = len(layout), CHANNELS
        self.data_bn = nn.BatchNorm1d(bodies * in_channels * joints)
        for number, (factor, stride) in enumerate(UNITS, start=1):
            unit = Unit(in_channels, width * factor, joints, bodies, stride, inter_body, residual=number > 1)
            self.add_module(f"l{number}", unit)
            in_channels = width * factor
        self.features = in_channels
        self.fc = nn.Linear(in_channels, classes)
        nn.init.normal_(self.fc.weight, 0, (2 / classes) ** 0.5)

    def forward(self, clip: Tensor) -> tuple[Tensor, Tensor]:
        n, c, t, v, m = clip.shape
        x = self.data_bn(clip.permute(0, 4, 3, 1, 2).reshape(n, m * v * c, t))
        x = x.reshape(n, m, v, c, t).permute(0, 1, 3, 4, 2).reshape(n * m, c, t, v)
        for number in range(1, len(UNITS) + 1):
            x = self.get_submodule(f"l{number}")(x)
        return self.fc(global_mean(x, m)), x


class Unit(nn.Module):
    """(N*M, C, T, V) -> (N*M, D, T / stride, V): spatial shift, inter-body aggregation, temporal shift, shortcut."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        joints: int,
        bodies: int,
        stride: int,
        inter_body: bool,
        residual: bool,
    ) -> None:
        super().__init__()
        self.gcn1 = SpatialShift(in_channels, out_channels, joints)
        self.graphsage: nn.Module = InterBody(out_channels, bodies) if inter_body else nn.Identity()
        self.tcn1 = TemporalShift(out_channels, stride)
        self.shortcut = residual
        self.residual: nn.Module = nn.Identity()
        if residual and (in_channels != out_channels or stride != 1):
            conv = pointwise(in_channels, out_channels, stride)
            self.residual = nn.Sequential(OrderedDict(conv=conv, bn=nn.BatchNorm2d(out_channels)))

    def forward(self, x: Tensor) -> Tensor:
        y = self.tcn1(self.graphsage(self.gcn1(x)))
        return F.relu(y + self.residual(x)) if self.shortcut else F.relu(y)


def pointwise(in_channels: int, out_channels: int, stride: int = 1) -> nn.Conv2d:
    """1x1 convolution with a stride over frames, initialised as in the release."""
    conv = nn.Conv2d(in_channels, out_channels, 1, (stride, 1))
    nn.init.kaiming_normal_(conv.weight, mode="fan_out")
    assert conv.bias is not None
    nn.init.zeros_(conv.bias)
    return conv


class SpatialShift(nn.Module):
    """Non-local spatial shift graph convolution, (N, C, T, V) -> (N, D, T, V).

    Each channel of a joint comes from another joint, is gated, mixed linearly and shifted back. shift_in, shift_out:
    permutations (V*C,) and (V*D,) int64, which the releases' state dicts have too.
    """

    shift_in: Tensor
    shift_out: Tensor

    def __init__(self, in_channels: int, out_channels: int, joints: int) -> None:
        super().__init__()
        self.Linear_weight = nn.Parameter(torch.empty(in_channels, out_channels))
        self.Linear_bias = nn.Parameter(torch.zeros(1, 1, out_channels))
        self.Feature_Mask = nn.Parameter(torch.zeros(1, joints, in_channels))
        nn.init.normal_(self.Linear_weight, 0, (1 / out_channels) ** 0.5)
        self.bn = nn.BatchNorm1d(joints * out_channels)
        self.down: nn.Module = nn.Identity()
        if in_channels != out_channels:
            self.down = nn.Sequential(pointwise(in_channels, out_channels), nn.BatchNorm2d(out_channels))
        self.register_buffer("shift_in", joint_shift(joints, in_channels, +1))
        self.register_buffer("shift_out", joint_shift(joints, out_channels, -1))

    def forward(self, x: Tensor) -> Tensor:
        n, c, t, v = x.shape
        y = x.permute(0, 2, 3, 1).reshape(n * t, v * c).index_select(1, self.shift_in).reshape(n * t, v, c)
        y = y * (torch.tanh(self.Feature_Mask) + 1)
        y = y @ self.Linear_weight + self.Linear_bias
        y = self.bn(y.reshape(n * t, -1).index_select(1, self.shift_out))
        y = y.reshape(n, t, v, -1).permute(0, 3, 1, 2)
        return F.relu(y + self.down(x))


def joint_shift(joints: int, channels: int, sign: int) -> Tensor:
    """Flat indices (V*C,) int64: element (v, c) takes joint (v + sign * c) mod V of the same channel."""
    v, c = torch.arange(joints)[:, None], torch.arange(channels)[None]
    return (((v + sign * c) % joints) * channels + c).reshape(-1)


class InterBody(nn.Module):
    """GraphSAGE-style, (N*M, C, T, V) -> (N*M, C, T, V): ReLU(W [mean of the other bodies' joints, own feature]).

    The release samples 12 joints of one other body in every pass, at test time too. This uses the expectation of that
    sample, the mean over all joints of all other bodies, which an engine can compute. For a single body the mean is
    zero; the release fails there.
    """

    def __init__(self, channels: int, bodies: int) -> None:
        super().__init__()
        self.channels, self.bodies = channels, bodies
        self.linear = nn.Linear(2 * channels, channels, bias=False)
        nn.init.xavier_uniform_(self.linear.weight)

    def forward(self, x: Tensor) -> Tensor:
        # Slices, not split(): the exporter's Split of opset 18 cannot be converted to opset 17.
        weight = self.linear.weight[:, :, None, None]
        of_others, of_own = weight[:, : self.channels], weight[:, self.channels :]
        y = F.conv2d(x, of_own)
        if self.bodies > 1:
            # The others' mean is the same for all joints: one product per frame, broadcast over joints.
            mean = F.avg_pool2d(x, (1, x.shape[3])).unflatten(0, (-1, self.bodies))
            others = ((mean.sum(dim=1, keepdim=True) - mean) / (self.bodies - 1)).flatten(0, 1)
            y = y + F.conv2d(others, of_others)
        return F.relu(y)


class TemporalShift(nn.Module):
    """Adaptive temporal shift, (N, C, T, V) -> (N, C, T / stride, V): fractional shift, 1x1 convolution, shift."""

    def __init__(self, channels: int, stride: int) -> None:
        super().__init__()
        self.bn = nn.BatchNorm2d(channels)
        self.shift_in = FractionalShift(channels, 1)
        self.temporal_linear = nn.Conv2d(channels, channels, 1)
        nn.init.kaiming_normal_(self.temporal_linear.weight, mode="fan_out")
        self.shift_out = FractionalShift(channels, stride)
        self.bn2 = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.temporal_linear(self.shift_in(self.bn(x))))
        return self.bn2(self.shift_out(x))


class FractionalShift(nn.Module):
    """(N, C, T, V) -> (N, C, T / stride, V): channel c at t is read at stride * t + (stride - 1) / 2 + ypos_c.

    Frames outside the clip are zero. Linear interpolation is a product with a matrix of hat functions, max(0, 1 -
    |distance|): plain PyTorch with the exact gradient of the offset, and a constant in an exported network. The release
    replaces the offset's gradient by 0.01 times its sign. That is not the gradient of a loss, and gradient revision
    compares gradients, so this does not.

    xpos, the release's shift over joints, starts within 1e-8 of zero and is never trained. It exists only for the sake
    of checkpoints.
    """

    xpos: Tensor

    def __init__(self, channels: int, stride: int) -> None:
        super().__init__()
        self.stride = stride
        self.ypos = nn.Parameter(torch.empty(channels).uniform_(-1, 1))
        self.register_buffer("xpos", torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        frames = torch.arange(x.shape[2], device=x.device)
        starts = frames[: x.shape[2] // self.stride] * self.stride
        # Subtract whole frames before adding the offset: at frame 200 half precision is too coarse for fractions.
        steps = (starts[:, None] - frames).to(self.ypos.dtype) + (self.stride - 1) / 2  # (T', T)
        hat = F.relu(1 - (steps + self.ypos[:, None, None]).abs())  # (C, T', T)
        return hat.to(x.dtype) @ x
