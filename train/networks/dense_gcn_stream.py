"""DenseGCN frame by frame: its causal clip form, which a network that streams is trained as.

:class:`train.networks.stream_step.StreamStep` advances any trained DenseGCN by a few new frames with the same weights;
what the past leaves behind are explicit states. What its logits are equal to:

==========================  ====================================================================================
since the person's first    :class:`DenseGcnStream`, the causal clip form, of all frames so far: zeros stand in
frame, from the start       front of a clip as they do in fresh states, and nothing stands behind it
after 45 frames, which one  the same convolutions without any padding over the endless sequence, which are also the
feature sees                interior frames of the padded :class:`DenseGcn` over a long clip, 22 frames later
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

from train.networks.dense_gcn import KERNEL_FRAMES, DenseGcn, Unit
from train.networks.motion_stem import MotionStem
from train.networks.network import Network

PAST_FRAMES = KERNEL_FRAMES - 1
"""Frames that a temporal convolution keeps."""
SHORTCUT_DELAY = KERNEL_FRAMES // 2
"""Frames that a unit's output lies behind its newest input, which its shortcut keeps for that long."""
TOTAL_STRIDE = 4
"""Product of all strides: from one feature to the next."""


class DenseGcnStream(DenseGcn):
    """Causal DenseGcn: clip (N, C, T, V, M) -> (logits (N, K), features (N*M, D, T/4, V)); the same parameters.

    Feature j has seen frames up to 4j + 3 and none after. T is at least 4.

    In training half of the clips, chosen anew in each pass, follow another clip of the batch, whose last frames lie
    in the states when they begin: a stream seldom begins, and what a person did before must not decide. The others
    follow nothing, as does every clip outside training.
    """

    def _feature_map(self, x: Tensor) -> Tensor:
        follows = torch.randint(2, (len(x), 1, 1, 1), device=x.device) if self.training else None
        if isinstance(self.stem[0], MotionStem):
            x = self.stem[1:](self.stem[0](self._with_past(x, 1, follows))[:, :, 1:])
        else:
            x = self.stem(x)
        for unit in self.units:
            assert isinstance(unit, Unit)
            stride, frames = stride_of(unit), x.shape[2]
            seen = self._with_past(unit.spatial(x @ unit.mix), PAST_FRAMES, follows)
            x = unit_output(unit, seen, self._with_past(x, SHORTCUT_DELAY, follows), stride - 1, frames // stride)
        return x

    def _with_past(self, x: Tensor, frames: int, follows: Tensor | None) -> Tensor:
        """x (N, C, T, V) behind ``frames`` frames: zeros, or the last ones of the clip before in the batch."""
        if follows is not None and x.shape[2] >= frames:
            past = x[:, :, -frames:].roll(self.bodies, 0) * follows.to(x.dtype)
        else:
            # Not F.pad: it is exported as a Pad of opset 18, which cannot be converted to 17.
            past = x.new_zeros(x.shape[0], x.shape[1], frames, x.shape[3])
        return torch.cat([past, x], dim=2)


def unit_output(unit: Unit, kept: Tensor, waiting: Tensor, first: int, count: int) -> Tensor:
    """A unit's ``count`` outputs, the first of which is complete with new frame ``first``.

    kept: (N, D, KEPT + new, V) for the temporal convolution; waiting: (N, C, DELAY + new, V) for the shortcut.
    """
    stride, convolution, norm = stride_of(unit), convolution_of(unit.temporal), unit.temporal[1]
    temporal = norm(F.conv2d(kept[:, :, first:], convolution.weight, stride=(stride, 1)))
    return F.relu(temporal + unit.shortcut(waiting[:, :, first : first + stride * (count - 1) + 1]))


def stride_of(unit: Unit) -> int:
    """Frames that the unit takes for each that it gives."""
    return int(convolution_of(unit.temporal).stride[0])


def channels_of(unit: Unit) -> tuple[int, int]:
    """Of what the unit takes and of what it gives."""
    convolution = convolution_of(unit.spatial)
    return convolution.in_channels, convolution.out_channels


def convolution_of(layers: nn.Sequential) -> nn.Conv2d:
    """Of a convolution with its BatchNorm behind it."""
    first = layers[0]
    if isinstance(first, MotionStem):
        return first.convolution()
    assert isinstance(first, nn.Conv2d)
    return first


NETWORKS = {"dense_gcn_stream": Network(DenseGcnStream, width=48)}
