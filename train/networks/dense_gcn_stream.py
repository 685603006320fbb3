"""Causal DenseGCN: the clip form in which a streaming network is trained.

:class:`train.networks.stream_step.StreamStep` advances a trained DenseGCN by a few new frames with the same weights and
explicit states. Its logits equal

- from the person's first frame on, those of :class:`DenseGcnStream` over all frames so far: zeros precede the clip, as
  in the initial states, and nothing follows it;
- once the receptive field of 45 frames is filled, those of unpadded convolutions over the endless sequence. These are
  also the interior frames of the padded :class:`DenseGcn` over a long clip, 22 frames later.

They do *not* equal those of DenseGcn over the last 32 frames: with a receptive field of 45 frames, its zero padding on
both sides reaches all eight features of such a clip. A streaming network is therefore trained as it will run, as
``dense_gcn_stream``; ``benchmarks/streaming.md`` says what the padded one loses. The mean over the clip becomes a mean
over the last ``window`` features, or over those that exist so far.

Strides keep their phase from the person's first frame: units after the first stride run at every second frame, units
after the second stride and the classifier at every fourth. The last T modulo 4 frames of a clip give no feature.

Source: Hedegaard and Iosifidis, "Continual 3D Convolutional Neural Networks for Real-time Processing of Videos",
ECCV 2022, section 3; Hedegaard, Heidari and Iosifidis, "Continual Spatio-Temporal Graph Convolutional Networks",
Pattern Recognition 140, 2023, from which the delay of shortcuts by half a kernel is taken.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from train.networks.dense_gcn import KERNEL_FRAMES, DenseGcn, Unit
from train.networks.motion_stem import MotionStem

PAST_FRAMES = KERNEL_FRAMES - 1
"""Past frames that a temporal convolution needs."""
SHORTCUT_DELAY = KERNEL_FRAMES // 2
"""Frames by which a unit's output lags its newest input; the shortcut is delayed by as many."""
TOTAL_STRIDE = 4
"""Frames from one feature to the next: the product of all strides."""


class DenseGcnStream(DenseGcn):
    """Causal DenseGcn with the same parameters: (N, C, T, V, M) -> (logits (N, K), features (N*M, D, T/4, V)), T >= 4.

    Feature j depends on frames up to 4j + 3 and none after.

    In each training pass a random half of the clips follow another clip of the batch: their states start with its last
    frames. A stream seldom starts from zeros, and must not depend on what a person did before. The other clips, and all
    clips in evaluation, start from zeros.
    """

    def _feature_map(self, x: Tensor) -> Tensor:
        """(N*M, C, T, V) -> (N*M, D, T/4, V)."""
        follows = torch.randint(2, (len(x), 1, 1, 1), device=x.device) if self.training else None
        if isinstance(self.stem[0], MotionStem):
            x = self.stem[1:](self.stem[0](self._with_past(x, 1, follows))[:, :, 1:])
        else:
            x = self.stem(x)
        for unit in self.units:
            assert isinstance(unit, Unit)
            stride, frames = stride_of(unit), x.shape[2]
            seen = self._with_past(unit.spatial(x @ unit.mix), PAST_FRAMES, follows)
            delayed = self._with_past(x, SHORTCUT_DELAY, follows)
            convolution, norm = convolution_of(unit.temporal), unit.temporal[1]
            temporal = norm(F.conv2d(seen[:, :, stride - 1 :], convolution.weight, stride=(stride, 1)))
            x = F.relu(temporal + unit.shortcut(delayed[:, :, stride - 1 : frames // stride * stride]))
        return x

    def _with_past(self, x: Tensor, frames: int, follows: Tensor | None) -> Tensor:
        """Prepend ``frames`` frames to x (N*M, C, T, V): zeros, or the last ones of the previous clip of the batch."""
        if follows is not None and x.shape[2] >= frames:
            past = x[:, :, -frames:].roll(self.bodies, 0) * follows.to(x.dtype)
        else:
            # Not F.pad: it is exported as a Pad of opset 18, which cannot be converted to opset 17.
            past = x.new_zeros(x.shape[0], x.shape[1], frames, x.shape[3])
        return torch.cat([past, x], dim=2)


def stride_of(unit: Unit) -> int:
    """Input frames per output frame of a unit."""
    return int(convolution_of(unit.temporal).stride[0])


def convolution_of(layers: nn.Sequential) -> nn.Conv2d:
    """The convolution of a convolution-BatchNorm sequence; of a MotionStem, the convolution it equals."""
    first = layers[0]
    if isinstance(first, MotionStem):
        return first.convolution()
    assert isinstance(first, nn.Conv2d)
    return first
