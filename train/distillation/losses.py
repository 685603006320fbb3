"""The distillation losses of the paper, batched.

Source: C. Bian, W. Feng, L. Wan, S. Wang, "Structural Knowledge Distillation for Efficient Skeleton-Based Action
Recognition", IEEE Trans. Image Processing 30 (2021) 2963-2976.

Shapes: logits z (N, K); last feature maps f (B, C, T', V), where B = N * M counts every body of every clip. Subscript s
is the student, t the teacher. ``Outputs.adapted`` stands for f_s. The paper's description leaves the weights of the
losses open; ours are in methods.py.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

ROUNDING = 16
"""Rounding leaves less than this many machine epsilons of |a|^2 + |b|^2 in |a|^2 + |b|^2 - 2 a.b if a equals b."""


@dataclass(frozen=True)
class Outputs:
    """Outputs of student and teacher for the same clips.

    logits, teacher_logits: (N, K). features: the student's last feature map (B, C, T', V). adapted: the same with the
    teacher's D channels, by the training-only 1x1 convolution. teacher_features: (B, D, T', V).
    """

    logits: Tensor
    features: Tensor
    adapted: Tensor
    teacher_logits: Tensor
    teacher_features: Tensor


def logit_loss(student: Tensor, teacher: Tensor) -> Tensor:
    """L_kl = KL(softmax(z_t) || softmax(z_s)) of logits (N, K), mean over the N clips.

    Temperature 1, as in the release.
    """
    return F.kl_div(F.log_softmax(student, 1), F.log_softmax(teacher, 1), reduction="batchmean", log_target=True)


def vertex_loss(student: Tensor, teacher: Tensor) -> Tensor:
    """Graph matching, vertices: L_vertices = mean (f_s - f_t)^2 over all entries of the maps (B, C, T', V)."""
    return F.mse_loss(student, teacher)


def edge_loss(student: Tensor, teacher: Tensor) -> Tensor:
    """Graph matching, edges: L_edges = smooth_L1(D_s, D_t), mean over the (T'V)^2 pairs of nodes of each of B samples.

    D is :func:`normalised_distances`; smooth_L1(d) = d^2 / 2 for |d| < 1, else |d| - 1/2. student, teacher: maps
    (B, C, T', V) and (B, D, T', V), whose channels may differ. The teacher gets no gradient.
    """
    with torch.no_grad():
        target = normalised_distances(teacher)
    return F.smooth_l1_loss(normalised_distances(student), target)


def normalised_distances(features: Tensor) -> Tensor:
    """(B, C, T', V) -> D (B, T'V, T'V): D_ij = |x_i - x_j| / mean of the sample's positive distances.

    x_i, x_j are the C-vectors of two of a sample's T'V nodes.

    One deviation, numerical: |x_i - x_j|^2 is computed as |x_i|^2 + |x_j|^2 - 2 x_i.x_j, one matrix product instead of
    (B, T'V, T'V, C) differences. For equal nodes, the diagonal included, this leaves rounding noise of either sign.
    Distances below ROUNDING are therefore 0, do not count in the mean, and get no gradient: that of the square root is
    unbounded at 0.
    """
    nodes = features.flatten(2).transpose(1, 2)
    square = (nodes * nodes).sum(dim=2)
    both = square[:, :, None] + square[:, None, :]
    squared = both - 2 * nodes @ nodes.transpose(1, 2)
    return relative_distances(squared, squared > ROUNDING * torch.finfo(squared.dtype).eps * both)


def relative_distances(squared: Tensor, positive: Tensor) -> Tensor:
    """Distances from their squares (..., P, P), divided by the mean of the ``positive`` ones; the others are 0."""
    distances = torch.where(positive, squared, 1.0).sqrt() * positive
    mean = distances.sum(dim=(-2, -1), keepdim=True) / positive.sum(dim=(-2, -1), keepdim=True).clamp(min=1)
    return distances / mean.clamp(min=1e-12)
