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
    """

    def _through_units(self, x: Tensor) -> Tensor:
        for unit in self.units:
            assert isinstance(unit, Unit)
            stride, frames = stride_of(unit), x.shape[2]
            seen = _after_zeros(unit.spatial(x @ unit.mix), KEPT)
            x = unit_output(unit, seen, _after_zeros(x, DELAY), stride - 1, frames // stride)
        return x


def _after_zeros(x: Tensor, frames: int) -> Tensor:
    # Not F.pad: it is exported as a Pad of opset 18, which cannot be converted to 17.
    return torch.cat([x.new_zeros(x.shape[0], x.shape[1], frames, x.shape[3]), x], dim=2)


class StreamStep(nn.Module):
    """One step of a trained DenseGcn: ``frames`` new frames after ``phase`` others (modulo 4).

    forward: frame (1, C, frames, V, 1) and the states named by ``state_names`` ->
        (logits (1, K) where a feature was completed, and those states anew). A step touches only the states of the
        units that it reaches; the others stay as they are.
    window: features that the logits are averaged over, a clip's length divided by 4.

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
        self.stem, self.units, self.fc = network.stem, network.units, network.fc
        self.window, self.joints = window, max(len(u.mix) for u in network.units if isinstance(u, Unit))
        self.state_shapes: dict[str, tuple[int, ...]] = {}
        self.reached: list[tuple[int, int]] = []
        for number, unit in enumerate(self.units):
            assert isinstance(unit, Unit)
            stride, (before, after) = stride_of(unit), channels_of(unit)
            self.state_shapes[f"unit{number}.kept"] = (1, after, KEPT, self.joints)
            self.state_shapes[f"unit{number}.shortcut"] = (1, before, DELAY, self.joints)
            # The first of the new frames with which a window of the strided convolution is complete.
            first = -(phase + 1) % stride
            count = len(range(first, frames, stride))
            self.reached.append((first, count))
            frames, phase = count, phase // stride
            if count == 0:
                break
        self.answers = frames > 0
        if self.answers:
            self.state_shapes["pooled"] = (1, network.features, window, 1)
            self.state_shapes["pooled.count"] = (1, 1, window, 1)

    @property
    def state_names(self) -> tuple[str, ...]:
        """Of the states that the step takes and gives, in order."""
        return tuple(self.state_shapes)

    def fresh(self) -> list[Tensor]:
        """The states before a person's first frame: all zero."""
        return [torch.zeros(shape) for shape in self.state_shapes.values()]

    def forward(self, frame: Tensor, states: list[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        """-> ([logits] or [], states anew)."""
        x, new, before = self.stem(frame.squeeze(-1)), [], iter(states)
        for unit, (first, count) in zip(self.units, self.reached, strict=False):
            assert isinstance(unit, Unit)
            kept = torch.cat([next(before), unit.spatial(x @ unit.mix)], dim=2)
            waiting = torch.cat([next(before), x], dim=2)
            new += [kept[:, :, -KEPT:], waiting[:, :, -DELAY:]]
            if count:
                x = unit_output(unit, kept, waiting, first, count)
        if not self.answers:
            return [], new
        feature = F.avg_pool2d(x, (1, self.joints))
        pooled = torch.cat([next(before), feature], dim=2)[:, :, -self.window :]
        counted = torch.cat([next(before), torch.ones_like(feature[:, :1])], dim=2)[:, :, -self.window :]
        # Zeros stand for features that a new person does not have yet; they must not count.
        mean = F.avg_pool2d(pooled, (self.window, 1)) / F.avg_pool2d(counted, (self.window, 1))
        return [self.fc(mean.flatten(1))], [*new, pooled, counted]


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
