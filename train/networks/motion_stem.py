"""First convolution with motion, the displacement since the previous frame, as an input beside position.

Frame differences tell actions apart but are small beside positions, so a short training is slow to find them. Here they
are scaled inputs of their own. Inference pays nothing: position and motion are linear in two frames, so the weights for
five input channels are deployed as one convolution over frames.

Motion is an input branch of EfficientGCN (Song et al., IEEE TPAMI 2022, section 3.2) and of DD-Net (Yang et al., ACM MM
Asia 2019, section 3.2); unlike a branch, this adds no layers.
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from train.networks.network import CHANNELS

COORDINATES = 2
"""Channels that have a motion: x and y."""
SCALE = 5.0
"""Scale of motion from frame to frame: at 15 frames/s it is then about as large as position."""


class MotionStem(nn.Module):
    """(N, 3, T, V) -> (N, width, T, V). The frame before the first counts as zeros, as in every padded convolution."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.out_channels = width
        self.weight = nn.Parameter(nn.Conv2d(CHANNELS + COORDINATES, width, 1).weight.detach())

    def forward(self, x: Tensor) -> Tensor:
        # Not in bfloat16: its rounding error of a position is as large as many a motion.
        with torch.autocast(x.device.type, enabled=False):
            return F.conv2d(x, self.kernel(), padding=(1, 0))

    def kernel(self) -> Tensor:
        """Kernel (width, 3, 3, 1) over the previous, the current and the next frame; the latter's weights are 0."""
        position, motion = self.weight.split([CHANNELS, COORDINATES], dim=1)
        moved = SCALE * torch.cat([motion, torch.zeros_like(position[:, COORDINATES:])], dim=1)
        return torch.cat([-moved, position + moved, torch.zeros_like(position)], dim=2)

    def convolution(self) -> nn.Conv2d:
        """The equivalent plain convolution."""
        made = nn.Conv2d(CHANNELS, self.out_channels, (3, 1), padding=(1, 0), bias=False)
        made.weight = nn.Parameter(self.kernel().detach())
        return made


def fuse_motion_stems(network: nn.Module) -> nn.Module:
    """Copy the network with each motion stem as a plain convolution, so that its kernel is a constant when exported."""
    network = copy.deepcopy(network)
    for module in list(network.modules()):
        for name, child in module.named_children():
            if isinstance(child, MotionStem):
                setattr(module, name, child.convolution())
    return network
