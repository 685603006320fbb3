"""The paper's losses (Bian et al., IEEE TIP 2021), batched.

Feature maps are (B, C, T', V) with B = N * M bodies; logits (N, K).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

ROUNDING = 16
"""|a|^2 + |b|^2 - 2 a.b of equal a and b is less than so many times machine epsilon of |a|^2 + |b|^2."""


@dataclass(frozen=True)
class Outputs:
    """What student and teacher gave for the same clips, for a loss to compare.

    logits, teacher_logits: (N, K). features: the student's last feature map (B, C, T', V); adapted: the same
    brought to the teacher's channels by the training-only 1x1 convolution; teacher_features: (B, D, T', V).
    """

    logits: Tensor
    features: Tensor
    adapted: Tensor
    teacher_logits: Tensor
    teacher_features: Tensor


def logit_divergence(student: Tensor, teacher: Tensor) -> Tensor:
    """L_kl = KL(softmax(z_t) || softmax(z_s)) of logits (N, K), mean over the batch; temperature 1 as released."""
    return F.kl_div(F.log_softmax(student, 1), F.log_softmax(teacher, 1), reduction="batchmean", log_target=True)


def graph_vertices(student: Tensor, teacher: Tensor) -> Tensor:
    """L_vertices of graph matching: mean squared error of two feature maps (B, C, T', V)."""
    return F.mse_loss(student, teacher)


def graph_edges(student: Tensor, teacher: Tensor) -> Tensor:
    """L_edges of graph matching: smooth-L1 between the relative distances of all pairs of T'*V nodes.

    student, teacher: feature maps (B, C, T', V) and (B, D, T', V); the teacher's gets no gradient.
    """
    with torch.no_grad():
        target = relative_distances(teacher)
    return F.smooth_l1_loss(relative_distances(student), target)


def relative_distances(features: Tensor) -> Tensor:
    """(B, C, T', V) -> (B, T'V, T'V): distances between nodes, divided by the mean of a sample's positive ones."""
    nodes = features.flatten(2).transpose(1, 2)
    square = (nodes * nodes).sum(dim=2)
    both = square[:, :, None] + square[:, None, :]
    squared = both - 2 * nodes @ nodes.transpose(1, 2)
    # Of nodes in one place, and of a node and itself, rounding leaves something of either sign. It is no distance: it
    # would count in the mean, and the root's gradient there is without bounds.
    positive = squared > ROUNDING * torch.finfo(squared.dtype).eps * both
    distances = torch.where(positive, squared, 1.0).sqrt() * positive
    mean = distances.sum(dim=(1, 2)) / positive.sum(dim=(1, 2)).clamp(min=1)
    return distances / mean.clamp(min=1e-12)[:, None, None]
