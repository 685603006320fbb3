"""One step of a DenseGCN that streams: a few new frames and the states of the past in, logits and new states out."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from edge.contract.errors import ConfigError
from train.networks.dense_gcn import KERNEL_FRAMES, DenseGcn, Unit
from train.networks.dense_gcn_stream import CYCLE_FRAMES, DELAY, KEPT, channels_of, convolution_of, stride_of


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
        if window < 1 or frames < 1 or CYCLE_FRAMES % frames or phase % frames or not 0 <= phase < CYCLE_FRAMES:
            raise ConfigError(
                f"steps of {frames} frames from phase {phase} with a window of {window} cannot be made",
                hint="steps are of 1, 2 or 4 frames and follow each other; the window is at least 1",
            )
        self.stem, self.fc = StemStep(network.stem), network.fc
        self.frames, self.window, self.features = frames, window, network.features
        self.state_shapes: dict[str, tuple[int, ...]] = {}
        self.units = nn.ModuleList()
        for number, unit in enumerate(network.units):
            assert isinstance(unit, Unit)
            step, (before, after), joints = UnitStep(unit, frames, phase), channels_of(unit), len(unit.mix)
            if number == 0 and self.stem.kept:
                self.state_shapes["stem.kept"] = (self.stem.kept * joints, self.stem.channels)
            self.units.append(step)
            self.state_shapes[f"unit{number}.kept"] = (KEPT * joints, after)
            self.state_shapes[f"unit{number}.shortcut"] = (DELAY * joints, before)
            frames, phase = step.count, phase // step.stride
            if frames == 0:
                break
        self.answers = frames > 0
        if self.answers:
            self.state_shapes["pooled"] = (window, network.features + 1)
            self.register_buffer("joint_mean", torch.full((1, joints), 1 / joints))

    @property
    def state_names(self) -> tuple[str, ...]:
        """Of the states that the step takes and gives, in order."""
        return tuple(self.state_shapes)

    def fresh(self) -> list[Tensor]:
        """The states before a person's first frame: all zero."""
        return [torch.zeros(shape) for shape in self.state_shapes.values()]

    def forward(self, frame: Tensor, states: list[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        """-> ([logits] or [], states anew)."""
        x = frame.reshape(frame.shape[1:4]).permute(1, 2, 0).flatten(0, 1)
        new, before = [], iter(states)
        if self.stem.kept:
            x, kept = self.stem.behind(next(before), x)
            new.append(kept)
        x = F.relu(self.stem(x))
        for unit in self.units:
            x, kept, waiting = unit(x, next(before), next(before))
            new += [kept, waiting]
        if not self.answers:
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
        convolution, self.linear = convolution_of(stem), joined(stem)
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
    """

    def __init__(self, unit: Unit, frames: int, phase: int) -> None:
        super().__init__()
        self.stride, self.frames, self.joints = stride_of(unit), frames, len(unit.mix)
        # The first of the new frames with which a window of the strided convolution is complete.
        self.ends = list(range(-(phase + 1) % self.stride, frames, self.stride))
        self.count = len(self.ends)
        # Of all frames at once: four times the products, which are few, and no reordering before and behind them.
        self.register_buffer("mix", torch.block_diag(*[unit.mix.detach().t()] * frames))
        self.spatial, temporal = joined(unit.spatial), joined(unit.temporal)
        # One bias for both sums: the convolution over time, which has most of the weights, is then nothing but a
        # product, which ONNX Runtime takes in eight bits without making eight bits of the sum.
        self.temporal = nn.Linear(temporal.in_features, temporal.out_features, bias=False)
        self.temporal.weight, self.bias = temporal.weight, temporal.bias
        self.shortcut: nn.Linear | None = None
        if isinstance(unit.shortcut, nn.Sequential):
            self.shortcut = joined(unit.shortcut)
            self.shortcut.bias = nn.Parameter((self.shortcut.bias + self.bias).detach())

    def forward(self, x: Tensor, kept: Tensor, waiting: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        new, joints = F.relu(self.spatial(self.get_buffer("mix") @ x)), self.joints
        out = x[:0]
        if self.count:
            # By sizes, not by one size: that is exported as a Split of opset 18.
            seen = [*kept.split([joints] * KEPT), *new.split([joints] * self.frames)]
            windows = _joined_rows([torch.cat(seen[end : end + KERNEL_FRAMES], dim=1) for end in self.ends])
            if self.stride == 1:
                short = _rows(waiting, x, 0, self.count * joints)
            else:
                short = _joined_rows([_rows(waiting, x, end * joints, (end + 1) * joints) for end in self.ends])
            short = short + self.bias if self.shortcut is None else self.shortcut(short)
            out = F.relu(self.temporal(windows) + short)
        begun = self.frames * joints
        return out, _rows(kept, new, begun, begun + len(kept)), _rows(waiting, x, begun, begun + len(waiting))


def _rows(before: Tensor, after: Tensor, start: int, end: int) -> Tensor:
    """Rows ``start`` to ``end`` of both, the one behind the other, with as little copying as that takes."""
    if start == 0 and end == len(before):
        return before
    if end <= len(before):
        return before[start:end]
    if start >= len(before):
        start, end = start - len(before), end - len(before)
        return after if (start, end) == (0, len(after)) else after[start:end]
    return torch.cat([before[start:], after[: end - len(before)]])


def _joined_rows(parts: list[Tensor]) -> Tensor:
    return parts[0] if len(parts) == 1 else torch.cat(parts)


def joined(layers: nn.Sequential) -> nn.Linear:
    """A convolution and its BatchNorm as they are in inference, as one linear map of K * C values, frames first."""
    convolution, norm = convolution_of(layers), layers[1]
    assert isinstance(norm, nn.BatchNorm2d) and norm.running_var is not None and norm.running_mean is not None
    scale = (norm.weight / torch.sqrt(norm.running_var + norm.eps)).detach()
    weight = convolution.weight.detach()[..., 0].transpose(1, 2).flatten(1)  # (D, K * C)
    linear = nn.Linear(weight.shape[1], weight.shape[0])
    linear.weight = nn.Parameter(weight * scale[:, None])
    linear.bias = nn.Parameter((norm.bias - norm.running_mean * scale).detach())
    return linear
