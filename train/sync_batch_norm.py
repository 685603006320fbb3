"""Batch normalisation with statistics over the batches of all processes.

torch.nn.SyncBatchNorm refuses CPU tensors. This one runs wherever ``torch.distributed`` does, so that training with
several processes can be tested without a GPU.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed as distributed
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm


class _SumOverProcesses(torch.autograd.Function):
    """Sum a tensor over all processes in the forward pass, and its gradient in the backward pass."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        total = x.clone()
        distributed.all_reduce(total)
        return total

    backward = forward


class SyncBatchNorm(_BatchNorm):
    """BatchNorm1d or BatchNorm2d over all processes, for inputs (N, C, ...) of the same shape in each."""

    def _check_input_dim(self, input: Tensor) -> None:
        """Accept any number of axes after the channels."""

    def forward(self, input: Tensor) -> Tensor:
        if not self.training:
            return super().forward(input)
        axes = [axis for axis in range(input.dim()) if axis != 1]
        count = input.numel() // input.shape[1] * distributed.get_world_size()
        wide = input.float() if input.dtype == torch.bfloat16 else input
        mean = _mean(wide, axes, count)
        variance = _mean((wide - mean).square(), axes, count)
        assert self.momentum is not None
        with torch.no_grad():
            self.get_buffer("running_mean").lerp_(mean.flatten(), self.momentum)
            self.get_buffer("running_var").lerp_(variance.flatten() * count / (count - 1), self.momentum)
            self.get_buffer("num_batches_tracked").add_(1)
        scale, shift = (p.view_as(mean) for p in (self.weight, self.bias))
        out: Tensor = (wide - mean) * (variance + self.eps).rsqrt() * scale + shift
        return out.to(input.dtype)


def _mean(x: Tensor, axes: list[int], count: int) -> Tensor:
    total: Tensor = _SumOverProcesses.apply(x.sum(dim=axes, keepdim=True))  # type: ignore[no-untyped-call]
    return total / count


def convert_sync_batch_norm(network: nn.Module) -> None:
    """Replace every BatchNorm of a network by a SyncBatchNorm; its state_dict keeps its names."""
    for module in network.modules():
        for name, child in list(module.named_children()):
            if isinstance(child, (nn.BatchNorm1d, nn.BatchNorm2d)):
                replacement = SyncBatchNorm(child.num_features, child.eps, child.momentum)
                replacement.load_state_dict(child.state_dict())
                setattr(module, name, replacement)
