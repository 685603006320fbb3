"""DenseGCN frame by frame: temporal convolutions that keep the frames they will need again.

:class:`StreamStep` advances any trained DenseGCN by one new frame (or a few) with the same weights; what the past
leaves behind are explicit states. What its logits are equal to:

==========================  ====================================================================================
since the person's first    :class:`DenseGcnStream`, the causal clip form, of all frames so far: zeros stand in
frame, from the start       front of a clip as they do in fresh states, and nothing stands behind it
after RECEPTIVE_FRAMES      the same convolutions without any padding over the endless sequence, which are also the
                            interior frames of the padded :class:`DenseGcn` over a long clip, DELAY_FRAMES later
==========================  ====================================================================================

They are *not* those of DenseGcn over the last 32 frames: its zero padding on both sides reaches every one of its
eight features there, since one feature sees 45 frames. A network that streams is therefore trained as it will run,
as ``dense_gcn_stream``; what the padded one loses is in ``benchmarks/streaming.md``. The average over a whole clip
becomes one over the last ``window`` features, of those that there are while a person is new.

Strides keep their phase from the person's first frame: the units behind the first stride run at every second frame,
those behind the second, and the logits, at every fourth. A clip's length counts in whole fours from its end.

Source: Hedegaard and Iosifidis, "Continual 3D Convolutional Neural Networks for Real-time Processing of Videos",
ECCV 2022, section 3; Hedegaard, Heidari and Iosifidis, "Continual Spatio-Temporal Graph Convolutional Networks",
Pattern Recognition 140, 2023. Shortcuts are delayed by half a kernel, as there.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from edge.contract.errors import ConfigError
from edge.contract.layouts import JointLayout
from train.networks.dense_gcn import KERNEL_FRAMES, UNITS, DenseGcn, Unit
from train.networks.network import Network

KEPT = KERNEL_FRAMES - 1
"""Frames that a temporal convolution keeps."""
DELAY = KERNEL_FRAMES // 2
"""Frames that a unit's output lies behind its newest input, which its shortcut keeps for that long."""
CYCLE_FRAMES = 4
"""Product of all strides: from one feature to the next."""


class DenseGcnStream(DenseGcn):
    """Causal DenseGcn: clip (N, C, T, V, M) -> (logits (N, K), features (N*M, D, T/4, V)); the same parameters.

    Feature j has seen frames up to 4j + 3 and none after. T is at least 4.

    In training half of the clips, chosen anew in each pass, follow another clip of the batch, whose last frames lie
    in the states when they begin: a stream seldom begins, and what a person did before must not decide. The others
    follow nothing, as does every clip outside training.
    """

    def _through_units(self, x: Tensor) -> Tensor:
        follows = torch.randint(2, (len(x), 1, 1, 1), device=x.device) if self.training else None
        for unit in self.units:
            assert isinstance(unit, Unit)
            stride, frames = stride_of(unit), x.shape[2]
            seen = self._with_past(unit.spatial(x @ unit.mix), KEPT, follows)
            x = unit_output(unit, seen, self._with_past(x, DELAY, follows), stride - 1, frames // stride)
        return x

    def _with_past(self, x: Tensor, frames: int, follows: Tensor | None) -> Tensor:
        """x (N, C, T, V) behind ``frames`` frames: zeros, or the last ones of the clip before in the batch."""
        if follows is not None and x.shape[2] >= frames:
            past = x[:, :, -frames:].roll(self.bodies, 0) * follows.to(x.dtype)
        else:
            # Not F.pad: it is exported as a Pad of opset 18, which cannot be converted to 17.
            past = x.new_zeros(x.shape[0], x.shape[1], frames, x.shape[3])
        return torch.cat([past, x], dim=2)


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
        self.stem, self.fc = joined(network.stem), network.fc
        self.frames, self.window, self.features = frames, window, network.features
        self.state_shapes: dict[str, tuple[int, ...]] = {}
        self.units = nn.ModuleList()
        for number, unit in enumerate(network.units):
            assert isinstance(unit, Unit)
            step, (before, after), joints = UnitStep(unit, frames, phase), channels_of(unit), len(unit.mix)
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
        x = F.relu(self.stem(frame.reshape(frame.shape[1:4]).permute(1, 2, 0).flatten(0, 1)))
        new, before = [], iter(states)
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
    convolution, norm = _convolution(layers), layers[1]
    assert isinstance(norm, nn.BatchNorm2d) and norm.running_var is not None and norm.running_mean is not None
    scale = (norm.weight / torch.sqrt(norm.running_var + norm.eps)).detach()
    weight = convolution.weight.detach()[..., 0].transpose(1, 2).flatten(1)  # (D, K * C)
    linear = nn.Linear(weight.shape[1], weight.shape[0])
    linear.weight = nn.Parameter(weight * scale[:, None])
    linear.bias = nn.Parameter((norm.bias - norm.running_mean * scale).detach())
    return linear


def unit_output(unit: Unit, kept: Tensor, waiting: Tensor, first: int, count: int) -> Tensor:
    """A unit's ``count`` outputs, the first of which is complete with new frame ``first``.

    kept: (N, D, KEPT + new, V) for the temporal convolution; waiting: (N, C, DELAY + new, V) for the shortcut.
    """
    stride, convolution, norm = stride_of(unit), _convolution(unit.temporal), unit.temporal[1]
    temporal = norm(F.conv2d(kept[:, :, first:], convolution.weight, stride=(stride, 1)))
    return F.relu(temporal + unit.shortcut(waiting[:, :, first : first + stride * (count - 1) + 1]))


def stride_of(unit: Unit) -> int:
    """Frames that the unit takes for each that it gives."""
    return int(_convolution(unit.temporal).stride[0])


def channels_of(unit: Unit) -> tuple[int, int]:
    """Of what the unit takes and of what it gives."""
    convolution = _convolution(unit.spatial)
    return convolution.in_channels, convolution.out_channels


def _convolution(layers: nn.Sequential) -> nn.Conv2d:
    first = layers[0]
    assert isinstance(first, nn.Conv2d)
    return first


def _reach() -> tuple[int, int]:
    """Frames that one feature sees, and frames from the middle of what it sees to the newest."""
    rate, frames = 1, 1
    for _, stride in UNITS:
        frames += KEPT * rate
        rate *= stride
    return frames, frames // 2


RECEPTIVE_FRAMES, DELAY_FRAMES = _reach()
"""45 and 22."""


def _make(classes: int, layout: JointLayout, bodies: int, width: int) -> nn.Module:
    return DenseGcnStream(classes, layout, bodies, width=width)


NETWORKS = {"dense_gcn_stream": Network(_make, width=48)}
