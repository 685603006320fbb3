"""One step of a streaming DenseGCN: new frames and states in, logits and new states out.

Source: see :mod:`train.networks.dense_gcn_stream`.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from train.networks.dense_gcn import KERNEL_FRAMES, DenseGcn, Unit
from train.networks.dense_gcn_stream import PAST_FRAMES, SHORTCUT_DELAY, TOTAL_STRIDE, convolution_of, stride_of


class StreamStep(nn.Module):
    """One step of a trained DenseGcn for one body: ``frames`` new frames after 4k + ``phase`` earlier ones, for any k.

    frames: 1, 2 or 4. phase: below 4, a multiple of frames. window: number of last features that are averaged; the
    clip's length divided by 4.

    A step has only the states of the units that it reaches. Features are matrices with one row per frame and joint, and
    BatchNorm is folded into the weights: with so few frames a convolution is a small matrix product, and runtimes would
    spend more on reordering its input than on multiplying.
    """

    def __init__(self, network: DenseGcn, *, window: int, frames: int = 1, phase: int = 0) -> None:
        super().__init__()
        self.stem, self.fc = StemStep(network.stem), network.fc
        self.frames, self.window, self.features = frames, window, network.features
        # Of the states that the step takes and returns, in order.
        self.state_shapes: dict[str, tuple[int, ...]] = {}
        self.units, rate = nn.ModuleList(), 1
        for number, unit in enumerate(network.units):
            assert isinstance(unit, Unit)
            step, joints = UnitStep(unit, frames, phase, after_strides=rate == TOTAL_STRIDE), len(unit.mix)
            if number == 0 and self.stem.kept:
                self.state_shapes["stem.kept"] = (self.stem.kept * joints, self.stem.channels)
            self.units.append(step)
            self.state_shapes[f"unit{number}.kept"] = step.kept_shape
            self.state_shapes[f"unit{number}.shortcut"] = step.delayed_shape
            frames, phase, rate = step.count, phase // step.stride, rate * step.stride
            if frames == 0:
                break
        self.has_logits = frames > 0
        if self.has_logits:
            self.state_shapes["pooled"] = (window, network.features + 1)
            self.register_buffer("joint_mean", torch.full((1, joints), 1 / joints))

    def initial_states(self) -> list[Tensor]:
        """The states before a person's first frame: zeros."""
        return [torch.zeros(shape) for shape in self.state_shapes.values()]

    def forward(self, frame: Tensor, states: list[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        """frame (1, C, frames, V, 1), states -> ([logits (1, K)], or [] if no feature is complete; new states)."""
        x = frame.reshape(frame.shape[1], -1).t()
        new, old = [], iter(states)
        if self.stem.kept:
            x, kept = self.stem.with_past(next(old), x)
            new.append(kept)
        x = F.relu(self.stem(x))
        for unit in self.units:
            x, kept, delayed = unit(x, next(old), next(old))
            new += [kept, delayed]
        if not self.has_logits:
            return [], new
        feature = self.get_buffer("joint_mean") @ x
        # Rows of a new person that have no feature yet are zero; the column of ones counts the others.
        pooled = torch.cat([next(old), torch.cat([feature, torch.ones(1, 1)], dim=1)])[-self.window :]
        total, count = (torch.ones(1, self.window) @ pooled).split([self.features, 1], dim=1)
        return [self.fc(total / count)], [*new, pooled]


class StemStep(nn.Module):
    """The first convolution: rows (frames * V, taps * C) -> (frames * V, width). kept: past frames that it needs."""

    def __init__(self, stem: nn.Sequential) -> None:
        super().__init__()
        convolution, self.linear = convolution_of(stem), fold_batch_norm(stem)
        self.kept, self.channels = convolution.kernel_size[0] // 2, convolution.in_channels
        # The kernel is zero for frames after the current one.
        now = (self.kept + 1) * self.channels
        assert not self.linear.weight[:, now:].any()
        self.linear.weight = nn.Parameter(self.linear.weight[:, :now].detach())

    def with_past(self, kept: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
        """Concatenate rows x (frames * V, C) with those of the previous frames; return them and the new ``kept``."""
        seen = torch.cat([kept, x])
        joints = len(kept) // self.kept
        return torch.cat([seen[k * joints : k * joints + len(x)] for k in range(self.kept + 1)], dim=1), seen[len(x) :]

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(x)


class UnitStep(nn.Module):
    """One unit's share of a step, on rows (frames * V, C).

    count: frames that it outputs. after_strides: all strides precede the unit, so that it gets one frame at a time; its
    ``kept`` is then (V, PAST_FRAMES * D), which together with the new frame is the convolution's window.
    """

    def __init__(self, unit: Unit, frames: int, phase: int, *, after_strides: bool) -> None:
        super().__init__()
        self.stride, self.frames, self.joints = stride_of(unit), frames, len(unit.mix)
        # New frames that complete a window of the strided convolution.
        self.ends = list(range(-(phase + 1) % self.stride, frames, self.stride))
        self.count = len(self.ends)
        # Block-diagonal over the frames: up to four times the products, which are few, but no reordering around them.
        self.register_buffer("mix", torch.block_diag(*[unit.mix.detach().t()] * frames))
        self.spatial, temporal = fold_batch_norm(unit.spatial), fold_batch_norm(unit.temporal)
        self.temporal, self.bias = nn.Parameter(temporal.weight.detach()), nn.Parameter(temporal.bias.detach())
        self.shortcut: nn.Linear | None = None
        if isinstance(unit.shortcut, nn.Sequential):
            self.shortcut = fold_batch_norm(unit.shortcut)
            # Both biases in one, to save a node.
            self.shortcut.bias = nn.Parameter((self.shortcut.bias + self.bias).detach())
        channels, self.after_strides = self.spatial.out_features, after_strides
        past = (self.joints, PAST_FRAMES * channels), (PAST_FRAMES * self.joints, channels)
        self.kept_shape = past[0] if after_strides else past[1]
        self.delayed_shape = (SHORTCUT_DELAY * self.joints, self.spatial.in_features)
        window = torch.arange(KERNEL_FRAMES) * self.joints + torch.arange(self.joints)[:, None]  # (V, K)
        rows = [window + end * self.joints for end in self.ends]
        self.register_buffer("window_rows", torch.cat(rows).flatten() if rows else torch.zeros(0, dtype=torch.int64))

    def forward(self, x: Tensor, kept: Tensor, delayed: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """x (frames * V, C), kept (PAST_FRAMES * V, D), delayed (SHORTCUT_DELAY * V, C) -> (count * V, D), states."""
        new = F.relu(self.spatial(self.get_buffer("mix") @ x))
        windows, kept = self._windows(kept, new)
        short, delayed = self._delay(delayed, x)
        if not self.count:
            return x[:0], kept, delayed
        short = short + self.bias if self.shortcut is None else self.shortcut(short)
        # addmm adds the shortcut within the same node.
        return F.relu(torch.addmm(short, windows, self.temporal.t())), kept, delayed

    def _windows(self, kept: Tensor, new: Tensor) -> tuple[Tensor, Tensor]:
        """Windows of the temporal convolution (count * V, K * D), and the new ``kept``."""
        if self.after_strides:
            seen = torch.cat([kept, new], dim=1)
            return seen, seen[:, new.shape[1] :]
        seen = torch.cat([kept, new])
        windows = seen.index_select(0, self.get_buffer("window_rows"))
        windows = windows.reshape(self.count * self.joints, KERNEL_FRAMES * new.shape[1])
        return windows, new if self.frames == PAST_FRAMES else seen[self.frames * self.joints :]

    def _delay(self, delayed: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
        """Input rows of the shortcut (count * V, C), and the new ``delayed``."""
        if self.stride == 1:
            short, delayed = _cut(delayed, x, [self.frames * self.joints, SHORTCUT_DELAY * self.joints])
            return short, delayed
        single = [self.joints] * self.frames
        *parts, delayed = _cut(delayed, x, [*single, SHORTCUT_DELAY * self.joints])
        if not self.ends:
            return x[:0], delayed
        return parts[self.ends[0]] if self.count == 1 else torch.cat([parts[end] for end in self.ends]), delayed


def _cut(first: Tensor, second: Tensor, sizes: list[int]) -> list[Tensor]:
    """Split the concatenated rows into ``sizes``, with as few nodes as possible."""
    for count in range(len(sizes)):
        if sum(sizes[:count]) == len(first):
            # A list of sizes: with a single size, split() is exported as a Split of opset 18.
            return [*_split(first, sizes[:count]), *_split(second, sizes[count:])]
    return [*torch.cat([first, second]).split(sizes)]


def _split(rows: Tensor, sizes: list[int]) -> list[Tensor]:
    return [rows] if len(sizes) == 1 else [*rows.split(sizes)]


def fold_batch_norm(layers: nn.Sequential) -> nn.Linear:
    """Fold a convolution and its BatchNorm (in inference) into one linear map of K * C values, frames first."""
    convolution, norm = convolution_of(layers), layers[1]
    assert isinstance(norm, nn.BatchNorm2d) and norm.running_var is not None and norm.running_mean is not None
    scale = (norm.weight / torch.sqrt(norm.running_var + norm.eps)).detach()
    weight = convolution.weight.detach()[..., 0].transpose(1, 2).flatten(1)  # (D, K * C)
    linear = nn.Linear(weight.shape[1], weight.shape[0])
    linear.weight = nn.Parameter(weight * scale[:, None])
    linear.bias = nn.Parameter((norm.bias - norm.running_mean * scale).detach())
    return linear
