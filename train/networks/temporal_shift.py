"""Shift-GCN's adaptive temporal shift (Cheng et al., CVPR 2020, section 3) without a CUDA extension."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class FractionalShift(nn.Module):
    """(N, C, T, V) -> (N, C, T / stride, V): channel c at t is read at stride * t + (stride - 1) / 2 + ypos_c.

    Frames outside the clip are zero. Linear interpolation is a product with a matrix of hat functions, max(0, 1 -
    |distance|): plain PyTorch with the exact gradient of the offset, and a constant in an exported network. The release
    replaces the offset's gradient by 0.01 times its sign. That is not the gradient of a loss, and gradient revision
    compares gradients, so this does not.

    xpos, the release's shift over joints, starts within 1e-8 of zero and is never trained. It exists only for the sake
    of checkpoints.
    """

    xpos: Tensor

    def __init__(self, channels: int, stride: int) -> None:
        super().__init__()
        self.stride = stride
        self.ypos = nn.Parameter(torch.empty(channels).uniform_(-1, 1))
        self.register_buffer("xpos", torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, T, V) -> (N, C, T / stride, V)."""
        frames = torch.arange(x.shape[2], device=x.device)
        starts = frames[: x.shape[2] // self.stride] * self.stride
        # Subtract whole frames before adding the offset: at frame 200 half precision is too coarse for fractions.
        steps = (starts[:, None] - frames).to(self.ypos.dtype) + (self.stride - 1) / 2  # (T', T)
        hat = F.relu(1 - (steps + self.ypos[:, None, None]).abs())  # (C, T', T)
        return hat.to(x.dtype) @ x
