"""Shift-GCN, the paper's teacher, and its student with inter-body aggregation.

Sources: Cheng et al., "Skeleton-Based Action Recognition with Shift Graph Convolutional Network",
CVPR 2020; Bian et al., IEEE TIP 2021, for the student unit. Module names follow the public release
so that its checkpoints keep their keys.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

# (width, stride) of the ten units, as fractions of the widest.
UNITS = ((1, 1), (1, 1), (1, 1), (1, 1), (2, 2), (2, 1), (2, 1), (4, 2), (4, 1), (4, 1))


class ShiftGcn(nn.Module):
    """Clip (N, C, T, V, M) -> (logits (N, K), features (N*M, D, T/4, V)).

    width: channels of the first units, 64 in the paper. inter_body: the student's units, which also
    look at the other body.
    """

    def __init__(
        self, classes: int, joints: int, bodies: int, channels: int = 3, width: int = 64, inter_body: bool = False
    ) -> None:
        super().__init__()
        self.data_bn = nn.BatchNorm1d(bodies * channels * joints)
        units: list[Unit] = []
        before = channels
        for factor, stride in UNITS:
            units.append(Unit(before, width * factor, joints, bodies, stride, inter_body, residual=bool(units)))
            before = width * factor
        self.units = nn.ModuleList(units)
        self.features = before
        self.fc = nn.Linear(before, classes)
        nn.init.normal_(self.fc.weight, 0, (2 / classes) ** 0.5)

    def forward(self, clip: Tensor) -> tuple[Tensor, Tensor]:
        n, c, t, v, m = clip.shape
        x = self.data_bn(clip.permute(0, 4, 3, 1, 2).reshape(n, m * v * c, t))
        x = x.reshape(n, m, v, c, t).permute(0, 1, 3, 4, 2).reshape(n * m, c, t, v)
        for unit in self.units:
            x = unit(x)
        # Pooling, not mean(): a mean over axes needs opset 18, which TensorRT 8.5 does not read.
        pooled = F.avg_pool2d(x, (x.shape[2], x.shape[3])).reshape(n, m, self.features).sum(dim=1) / m
        return self.fc(pooled), x


class Unit(nn.Module):
    """Spatial shift graph convolution, the other body's word (students), temporal shift, shortcut."""

    def __init__(
        self, before: int, after: int, joints: int, bodies: int, stride: int, inter_body: bool, residual: bool
    ) -> None:
        super().__init__()
        self.gcn1 = SpatialShift(before, after, joints)
        self.inter_body = InterBody(after, bodies) if inter_body else None
        self.tcn1 = TemporalShift(after, after, stride)
        self.shortcut = residual
        self.residual: nn.Module = nn.Identity()
        if residual and (before != after or stride != 1):
            self.residual = nn.Sequential(nn.Conv2d(before, after, 1, (stride, 1)), nn.BatchNorm2d(after))

    def forward(self, x: Tensor) -> Tensor:
        y = self.gcn1(x)
        if self.inter_body is not None:
            y = self.inter_body(y)
        y = self.tcn1(y)
        return F.relu(y + self.residual(x)) if self.shortcut else F.relu(y)


class SpatialShift(nn.Module):
    """Each channel of a joint is taken from another joint, mixed linearly, and shifted back."""

    shift_in: Tensor
    shift_out: Tensor

    def __init__(self, before: int, after: int, joints: int) -> None:
        super().__init__()
        self.Linear_weight = nn.Parameter(torch.empty(before, after))
        self.Linear_bias = nn.Parameter(torch.zeros(1, 1, after))
        self.Feature_Mask = nn.Parameter(torch.zeros(1, joints, before))
        nn.init.normal_(self.Linear_weight, 0, (1 / after) ** 0.5)
        self.bn = nn.BatchNorm1d(joints * after)
        self.down = (
            nn.Sequential(nn.Conv2d(before, after, 1), nn.BatchNorm2d(after)) if before != after else nn.Identity()
        )
        self.register_buffer("shift_in", _joint_shift(joints, before, +1), persistent=False)
        self.register_buffer("shift_out", _joint_shift(joints, after, -1), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        n, c, t, v = x.shape
        y = x.permute(0, 2, 3, 1).reshape(n * t, v * c).index_select(1, self.shift_in).reshape(n * t, v, c)
        y = y * (torch.tanh(self.Feature_Mask) + 1)
        y = y @ self.Linear_weight + self.Linear_bias
        y = self.bn(y.reshape(n * t, -1).index_select(1, self.shift_out))
        y = y.reshape(n, t, v, -1).permute(0, 3, 1, 2)
        return F.relu(y + self.down(x))


def _joint_shift(joints: int, channels: int, sign: int) -> Tensor:
    """Flat indices (V*C,): place (v, c) takes joint (v + sign * c) mod V of the same channel."""
    v, c = torch.arange(joints)[:, None], torch.arange(channels)[None]
    return (((v + sign * c) % joints) * channels + c).reshape(-1)


class InterBody(nn.Module):
    """Each joint is joined with the mean feature of the other bodies (GraphSAGE-style), linear, ReLU.

    The release samples a few joints of the other body at random; the mean over all of them is what
    that sample estimates, and is what an engine can compute. A body alone is joined with zeros.
    """

    def __init__(self, channels: int, bodies: int) -> None:
        super().__init__()
        self.bodies = bodies
        self.linear = nn.Conv2d(2 * channels, channels, 1)
        nn.init.kaiming_normal_(self.linear.weight, mode="fan_out")

    def forward(self, x: Tensor) -> Tensor:
        if self.bodies == 1:
            other = torch.zeros_like(x)
        else:
            mean = F.avg_pool2d(x, (1, x.shape[3])).unflatten(0, (-1, self.bodies))
            other = ((mean.sum(dim=1, keepdim=True) - mean) / (self.bodies - 1)).flatten(0, 1).expand_as(x)
        return F.relu(self.linear(torch.cat([x, other], dim=1)))


class TemporalShift(nn.Module):
    """Each channel reads its past or future at a learned, fractional distance; then a 1x1 convolution."""

    def __init__(self, before: int, after: int, stride: int) -> None:
        super().__init__()
        self.bn = nn.BatchNorm2d(before)
        self.shift_in = FractionalShift(before, 1)
        self.temporal_linear = nn.Conv2d(before, after, 1)
        nn.init.kaiming_normal_(self.temporal_linear.weight, mode="fan_out")
        self.shift_out = FractionalShift(after, stride)
        self.bn2 = nn.BatchNorm2d(after)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.temporal_linear(self.shift_in(self.bn(x))))
        out: Tensor = self.bn2(self.shift_out(x))
        return out


class FractionalShift(nn.Module):
    """Channel c at time t becomes its value at stride * t + (stride - 1) / 2 + offset_c; zero outside.

    Linear interpolation written as a product with a matrix of hat functions, max(0, 1 - |distance|):
    plain PyTorch with the right gradient for the offset, and a constant matrix in an exported network.
    """

    def __init__(self, channels: int, stride: int) -> None:
        super().__init__()
        self.stride = stride
        self.ypos = nn.Parameter(torch.empty(channels).uniform_(-1, 1))

    def forward(self, x: Tensor) -> Tensor:
        t = x.shape[2]
        source = torch.arange(t, dtype=x.dtype, device=x.device)
        target = source[: t // self.stride] * self.stride + (self.stride - 1) / 2
        where = target[None, :] + self.ypos[:, None]  # (C, T')
        hat = F.relu(1 - (where[..., None] - source).abs())  # (C, T', T)
        return hat @ x
