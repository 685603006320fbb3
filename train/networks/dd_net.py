"""DD-Net: joint distances and motion at two time scales, processed by 1-D convolutions over time.

Source: Yang, Wu, Sakti, Nakamura, "Make Skeleton-based Action Recognition Model Smaller, Faster and Better", ACM MM
Asia 2019, sections 3.1 to 3.3 and figure 3, with the channel dropout and two dense layers of its release. The release
also divides distances by their mean over the clip; here preprocessing scales every clip by the length of its torso.
It also drops channels between the convolutions of an embedding, and trains for over a thousand epochs. In trainings of
some 100 epochs that cost the smallest size accuracy (one seed on UTD-MHAD, LQ: 68.1 instead of 76.5 %), so it is left
out.

Distances use x and y; motion also uses the third channel, how far a joint was seen. After the embeddings there is no
joint axis, so the feature map has the same values at all V joints.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from edge.contract.layouts import JointLayout
from train.networks.network import CHANNELS, mean_over_bodies

SLOPE = 0.2
"""Negative slope of LeakyReLU."""

DENSE = 128


class DdNet(nn.Module):
    """DD-Net (figure 3): clip (N, C, T, V, M) -> (logits (N, K), features (N*M, 4 * width, T/4, V))."""

    def __init__(self, classes: int, layout: JointLayout, bodies: int, width: int) -> None:
        super().__init__()
        self.bodies, self.joints = bodies, len(layout)
        self.differences: Tensor
        self.register_buffer("differences", pair_differences(self.joints))
        pairs, motions = self.differences.shape[1], CHANNELS * self.joints
        self.distances = nn.Sequential(*_embedding(pairs, width), nn.MaxPool1d(2), nn.Dropout1d(0.1))
        self.slow = nn.Sequential(*_embedding(motions, width), nn.MaxPool1d(2), nn.Dropout1d(0.1))
        self.fast = nn.Sequential(*_embedding(motions, width), nn.Dropout1d(0.1))
        self.halves = nn.Sequential(*_two_convolutions(3 * width, 2 * width), nn.MaxPool1d(2), nn.Dropout1d(0.1))
        self.quarters = nn.Sequential(*_two_convolutions(2 * width, 4 * width))
        self.eighths = nn.Sequential(
            nn.MaxPool1d(2), nn.Dropout1d(0.1), *_two_convolutions(4 * width, 8 * width), nn.Dropout1d(0.1)
        )
        self.dense = nn.Sequential(*_dense(8 * width), *_dense(DENSE), nn.Linear(DENSE, classes))
        self.features = 4 * width

    def forward(self, clip: Tensor) -> tuple[Tensor, Tensor]:
        x = clip.permute(0, 4, 1, 2, 3).flatten(0, 1)  # (N*M, C, T, V)
        joined = (self.distances(joint_distances(x, self.differences)), self.slow(motion(x)), self.fast(motion(x, 2)))
        quarters = self.quarters(self.halves(torch.cat(joined, dim=1)))
        pooled = self.eighths(quarters).amax(dim=2)
        return self.dense(mean_over_bodies(pooled, self.bodies)), quarters[..., None].expand(-1, -1, -1, self.joints)


def pair_differences(joints: int) -> Tensor:
    """Matrix (V, V(V-1)/2) for which ``x @ matrix`` is x_i - x_j for every pair i < j; avoids Gather nodes."""
    i, j = torch.triu_indices(joints, joints, offset=1)
    matrix = torch.zeros(joints, len(i))
    matrix[i, torch.arange(len(i))], matrix[j, torch.arange(len(i))] = 1, -1
    return matrix


def joint_distances(x: Tensor, differences: Tensor) -> Tensor:
    """(N, C >= 2, T, V) -> (N, V(V-1)/2, T): Euclidean distances of all pairs, equation 1 of the paper."""
    apart = x[:, :2] @ differences
    return apart.square().sum(dim=1).sqrt().transpose(1, 2)


def motion(x: Tensor, step_frames: int = 1) -> Tensor:
    """(N, C, T, V) -> (N, C*V, T / step): frame t + step minus frame t, of every step-th frame (equation 2).

    Linear interpolation stretches the T / step - 1 differences to T / step.
    """
    taken = x[:, :, ::step_frames]
    moved = (taken[:, :, 1:] - taken[:, :, :-1]).transpose(2, 3).flatten(1, 2)
    return F.interpolate(moved, size=taken.shape[2], mode="linear", align_corners=False)


def _embedding(in_channels: int, width: int) -> tuple[nn.Module, ...]:
    return *_convolution(in_channels, 2 * width, 1), *_convolution(2 * width, width, 3), *_convolution(width, width, 1)


def _two_convolutions(in_channels: int, out_channels: int) -> tuple[nn.Module, ...]:
    return *_convolution(in_channels, out_channels, 3), *_convolution(out_channels, out_channels, 3)


def _convolution(in_channels: int, out_channels: int, frames: int) -> tuple[nn.Module, ...]:
    convolution = nn.Conv1d(in_channels, out_channels, frames, padding=frames // 2, bias=False)
    return convolution, nn.BatchNorm1d(out_channels), nn.LeakyReLU(SLOPE)


def _dense(in_channels: int) -> tuple[nn.Module, ...]:
    return nn.Linear(in_channels, DENSE, bias=False), nn.BatchNorm1d(DENSE), nn.LeakyReLU(SLOPE), nn.Dropout(0.5)
