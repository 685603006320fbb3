"""A first convolution that is given, beside where each joint is, how far it moved since the frame before.

From positions alone a short training has to find out first that it is differences between frames that tell actions
apart, and these are small beside the positions themselves. Here they are inputs of their own, about as large as the
positions. On the device that costs nothing: both are linear in two frames, so that what was learnt as weights of five
inputs is deployed as one convolution over frames.

Motions beside joints are an input branch of EfficientGCN (Song et al., IEEE TPAMI 2022, section 3.2) and of DD-Net
(Yang et al., 2019); a branch is more layers, this is not.
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from train.networks.network import CHANNELS

COORDINATES = 2
"""Of what moves: x and y."""
SCALE = 5.0
"""Of a motion from frame to frame; at 15 frames a second it is then about as large as a position."""


class MotionStem(nn.Module):
    """Clip (N, 3, T, V) -> (N, width, T, V). Frames before the first are zeros, as before every convolution here."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.out_channels = width
        self.weight = nn.Parameter(nn.Conv2d(CHANNELS + COORDINATES, width, 1).weight.detach())

    def forward(self, x: Tensor) -> Tensor:
        # Not in bfloat16, in which a position is as coarse as many a motion.
        with torch.autocast(x.device.type, enabled=False):
            return F.conv2d(x, self.kernel(), padding=(1, 0))

    def kernel(self) -> Tensor:
        """(width, 3, 3, 1): the frame before, this one, and the next, whose weights are 0."""
        position, motion = self.weight.split([CHANNELS, COORDINATES], dim=1)
        moved = SCALE * torch.cat([motion, torch.zeros_like(position[:, COORDINATES:])], dim=1)
        return torch.cat([-moved, position + moved, torch.zeros_like(position)], dim=2)

    def convolution(self) -> nn.Conv2d:
        """The same as the one convolution that it is."""
        made = nn.Conv2d(CHANNELS, self.out_channels, (3, 1), padding=(1, 0), bias=False)
        made.weight = nn.Parameter(self.kernel().detach())
        return made


def fuse_motion_stems(network: nn.Module) -> nn.Module:
    """A copy whose motion stems are plain convolutions, their kernels constants of an exported file."""
    network = copy.deepcopy(network)
    for module in list(network.modules()):
        for name, child in module.named_children():
            if isinstance(child, MotionStem):
                setattr(module, name, child.convolution())
    return network
