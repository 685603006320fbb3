"""Shift-GCN's learned temporal shift (Cheng et al., CVPR 2020, section 3.3) without a CUDA extension."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class FractionalShift(nn.Module):
    """Channel c at time t becomes its value at stride * t + (stride - 1) / 2 + ypos_c; zero outside the clip.

    Linear interpolation written as a product with a matrix of hat functions, max(0, 1 - |distance|):
    plain PyTorch with the true gradient of the offset, and a constant matrix in an exported network.
    The release instead replaces the offset's gradient by 0.01 times its sign; that is no gradient of
    any loss, and gradient revision compares gradients, so it is not done here.

    xpos is the release's shift over joints. It starts within 1e-8 of zero and never learns, so it is
    kept for the sake of checkpoints and not computed with.
    """

    xpos: Tensor

    def __init__(self, channels: int, stride: int) -> None:
        super().__init__()
        self.stride = stride
        self.ypos = nn.Parameter(torch.empty(channels).uniform_(-1, 1))
        self.register_buffer("xpos", torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        frames = torch.arange(x.shape[2], device=x.device)
        starts = frames[: x.shape[2] // self.stride] * self.stride
        # Whole frames are subtracted before the offset is added: at frame 200 half precision has no fractions left.
        steps = (starts[:, None] - frames).to(self.ypos.dtype) + (self.stride - 1) / 2  # (T', T)
        hat = F.relu(1 - (steps + self.ypos[:, None, None]).abs())  # (C, T', T)
        return hat.to(x.dtype) @ x
