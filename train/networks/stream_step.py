"""One step of a DenseGCN that streams: a few new frames and the states of the past in, logits and new states out."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from edge.contract.errors import ConfigError
from train.networks.dense_gcn import KERNEL_FRAMES, DenseGcn, Unit
from train.networks.dense_gcn_stream import (
    PAST_FRAMES,
    SHORTCUT_DELAY,
    TOTAL_STRIDE,
    channels_of,
    convolution_of,
    stride_of,
)


class StreamStep(nn.Module):
    """One step of a trained DenseGcn: ``frames`` new frames after ``phase`` others (modulo 4).

    forward: frame (1, C, frames, V, 1) and the states named by ``state_names`` ->
        (logits (1, K) where a feature was completed, and those states anew). A step touches only the states of the
        units that it reaches; the others stay as they are.
    window: features that the logits are averaged over, a clip's length divided by 4.

    Inside, a row is what one joint holds at one moment, and BatchNorm is part of the weights. So few frames make every
    convolution a small matrix product; as convolutions, runtimes would reorder more than they multiply.

    Raises ConfigError for a network of several bodies, and for steps that do not fit the strides.
    """

    def __init__(self, network: DenseGcn, *, window: int, frames: int = 1, phase: int = 0) -> None:
        super().__init__()
        if network.bodies != 1:
            raise ConfigError(f"a stream is of one body, this network takes {network.bodies}")
        if window < 1 or frames < 1 or TOTAL_STRIDE % frames or phase % frames or not 0 <= phase < TOTAL_STRIDE:
            raise ConfigError(
                f"steps of {frames} frames from phase {phase} with a window of {window} cannot be made",
                hint="steps are of 1, 2 or 4 frames and follow each other; the window is at least 1",
            )
        self.stem, self.fc = StemStep(network.stem), network.fc
        self.frames, self.window, self.features = frames, window, network.features
        self.state_shapes: dict[str, tuple[int, ...]] = {}
        self.units, rate = nn.ModuleList(), 1
        for number, unit in enumerate(network.units):
            assert isinstance(unit, Unit)
            step, joints = UnitStep(unit, frames, phase, behind_all=rate == TOTAL_STRIDE), len(unit.mix)
            if number == 0 and self.stem.kept:
                self.state_shapes["stem.kept"] = (self.stem.kept * joints, self.stem.channels)
            self.units.append(step)
            self.state_shapes[f"unit{number}.kept"] = step.kept_shape
            self.state_shapes[f"unit{number}.shortcut"] = step.waiting_shape
            frames, phase, rate = step.count, phase // step.stride, rate * step.stride
            if frames == 0:
                break
        self.has_logits = frames > 0
        if self.has_logits:
            self.state_shapes["pooled"] = (window, network.features + 1)
            self.register_buffer("joint_mean", torch.full((1, joints), 1 / joints))

    @property
    def state_names(self) -> tuple[str, ...]:
        """Of the states that the step takes and gives, in order."""
        return tuple(self.state_shapes)

    def initial_states(self) -> list[Tensor]:
        """The states before a person's first frame: all zero."""
        return [torch.zeros(shape) for shape in self.state_shapes.values()]

    def forward(self, frame: Tensor, states: list[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        """-> ([logits] or [], states anew)."""
        x = frame.reshape(frame.shape[1], -1).t()
        new, before = [], iter(states)
        if self.stem.kept:
            x, kept = self.stem.behind(next(before), x)
            new.append(kept)
        x = F.relu(self.stem(x))
        for unit in self.units:
            x, kept, waiting = unit(x, next(before), next(before))
            new += [kept, waiting]
        if not self.has_logits:
            return [], new
        feature = self.get_buffer("joint_mean") @ x
        # Zeros stand for features that a new person does not have yet; the column of ones counts those that there are.
        pooled = torch.cat([next(before), torch.cat([feature, torch.ones(1, 1)], dim=1)])[-self.window :]
        total, count = (torch.ones(1, self.window) @ pooled).split([self.features, 1], dim=1)
        return [self.fc(total / count)], [*new, pooled]


class StemStep(nn.Module):
    """The first convolution's part of a step; rows are joints within frames. kept: frames that it looks back."""

    def __init__(self, stem: nn.Sequential) -> None:
        super().__init__()
        convolution, self.linear = convolution_of(stem), fold_batch_norm(stem)
        self.kept, self.channels = convolution.kernel_size[0] // 2, convolution.in_channels
        # Its kernel's taps after the frame are 0: what is to come is not known.
        now = (self.kept + 1) * self.channels
        assert not self.linear.weight[:, now:].any()
        self.linear.weight = nn.Parameter(self.linear.weight[:, :now].detach())

    def behind(self, kept: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
        """Rows x (frames * V, C) with those of the frames before beside them, and what is to be kept of all."""
        seen = torch.cat([kept, x])
        joints = len(kept) // self.kept
        return torch.cat([seen[k * joints : k * joints + len(x)] for k in range(self.kept + 1)], dim=1), seen[len(x) :]

    def forward(self, x: Tensor) -> Tensor:
        rows: Tensor = self.linear(x)
        return rows


class UnitStep(nn.Module):
    """A unit's part of a step; rows are joints within frames.

    x (frames * V, C), kept (KEPT * V, D), waiting (DELAY * V, C) -> those three anew. count: frames that it gives, as
    x (count * V, D); with 0 it gives none, and as x an empty tensor.
    behind_all: whether all strides lie before it, so that it is given one frame at a time. Its ``kept`` is
    (V, KEPT * D), past frames beside each other: with the new one they are a window.
    """

    def __init__(self, unit: Unit, frames: int, phase: int, *, behind_all: bool) -> None:
        super().__init__()
        self.stride, self.frames, self.joints = stride_of(unit), frames, len(unit.mix)
        # The first of the new frames with which a window of the strided convolution is complete.
        self.ends = list(range(-(phase + 1) % self.stride, frames, self.stride))
        self.count = len(self.ends)
        # Of all frames at once: four times the products, which are few, and no reordering before and behind them.
        self.register_buffer("mix", torch.block_diag(*[unit.mix.detach().t()] * frames))
        self.spatial, temporal = fold_batch_norm(unit.spatial), fold_batch_norm(unit.temporal)
        self.temporal, self.bias = nn.Parameter(temporal.weight.detach()), nn.Parameter(temporal.bias.detach())
        self.shortcut: nn.Linear | None = None
        if isinstance(unit.shortcut, nn.Sequential):
            self.shortcut = fold_batch_norm(unit.shortcut)
            # One bias for both sums, or each would be a node of its own.
            self.shortcut.bias = nn.Parameter((self.shortcut.bias + self.bias).detach())
        before, after = channels_of(unit)
        self.beside = behind_all
        self.kept_shape = (self.joints, PAST_FRAMES * after) if behind_all else (PAST_FRAMES * self.joints, after)
        self.waiting_shape = (SHORTCUT_DELAY * self.joints, before)
        window = torch.arange(KERNEL_FRAMES) * self.joints + torch.arange(self.joints)[:, None]  # (V, K)
        rows = [window + end * self.joints for end in self.ends]
        self.register_buffer("window_rows", torch.cat(rows).flatten() if rows else torch.zeros(0, dtype=torch.int64))

    def forward(self, x: Tensor, kept: Tensor, waiting: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        new = F.relu(self.spatial(self.get_buffer("mix") @ x))
        windows, kept = self._windows(kept, new)
        short, waiting = self._delayed(waiting, x)
        if not self.count:
            return x[:0], kept, waiting
        short = short + self.bias if self.shortcut is None else self.shortcut(short)
        # The sum begins as the shortcut's, and is no further node.
        return F.relu(torch.addmm(short, windows, self.temporal.t())), kept, waiting

    def _windows(self, kept: Tensor, new: Tensor) -> tuple[Tensor, Tensor]:
        """What the convolution over time multiplies, (count * V, K * D), and what is kept of all."""
        if self.beside:
            seen = torch.cat([kept, new], dim=1)
            return seen, seen[:, new.shape[1] :]
        seen = torch.cat([kept, new])
        windows = seen.index_select(0, self.get_buffer("window_rows"))
        windows = windows.reshape(self.count * self.joints, KERNEL_FRAMES * new.shape[1])
        return windows, new if self.frames == PAST_FRAMES else seen[self.frames * self.joints :]

    def _delayed(self, waiting: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
        """What the shortcut takes, rows (count * V, C), and what waits of all."""
        if self.stride == 1:
            short, waiting = _cut(waiting, x, [self.frames * self.joints, SHORTCUT_DELAY * self.joints])
            return short, waiting
        single = [self.joints] * self.frames
        *parts, waiting = _cut(waiting, x, [*single, SHORTCUT_DELAY * self.joints])
        return _joined_rows([parts[end] for end in self.ends]) if self.ends else x[:0], waiting


def _cut(before: Tensor, after: Tensor, sizes: list[int]) -> list[Tensor]:
    """Rows of both, the one behind the other, cut into ``sizes``, with as few nodes as that takes."""
    for count in range(len(sizes)):
        if sum(sizes[:count]) == len(before):
            # By sizes, not by one size: that is exported as a Split of opset 18.
            return [*_split(before, sizes[:count]), *_split(after, sizes[count:])]
    return [*torch.cat([before, after]).split(sizes)]


def _split(rows: Tensor, sizes: list[int]) -> list[Tensor]:
    return [rows] if len(sizes) == 1 else [*rows.split(sizes)]


def _joined_rows(parts: list[Tensor]) -> Tensor:
    return parts[0] if len(parts) == 1 else torch.cat(parts)


def fold_batch_norm(layers: nn.Sequential) -> nn.Linear:
    """A convolution and its BatchNorm as they are in inference, as one linear map of K * C values, frames first."""
    convolution, norm = convolution_of(layers), layers[1]
    assert isinstance(norm, nn.BatchNorm2d) and norm.running_var is not None and norm.running_mean is not None
    scale = (norm.weight / torch.sqrt(norm.running_var + norm.eps)).detach()
    weight = convolution.weight.detach()[..., 0].transpose(1, 2).flatten(1)  # (D, K * C)
    linear = nn.Linear(weight.shape[1], weight.shape[0])
    linear.weight = nn.Parameter(weight * scale[:, None])
    linear.bias = nn.Parameter((norm.bias - norm.running_mean * scale).detach())
    return linear
