"""Other people's distillation losses, and PCGrad: baselines for the paper's method under one protocol."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from train.distillation.losses import logit_loss, relative_distances

TEMPERATURE = 4.0
DISTANCE_WEIGHT, ANGLE_WEIGHT = 25.0, 50.0
"""Weights of relational distillation's two parts, as its authors give them."""


def soft_target_loss(student: Tensor, teacher: Tensor) -> Tensor:
    """T^2 KL(softmax(z_t / T) || softmax(z_s / T)) of logits (N, K), mean over the batch; T is TEMPERATURE.

    Source: Hinton, Vinyals, Dean, "Distilling the Knowledge in a Neural Network", 2015, section 2.
    """
    return TEMPERATURE**2 * logit_loss(student / TEMPERATURE, teacher / TEMPERATURE)


def relational_loss(student: Tensor, teacher: Tensor) -> Tensor:
    """25 smooth_L1(distances of pairs) + 50 smooth_L1(angles of triplets), over the samples of a batch.

    student, teacher: feature maps (B, C, T', V) and (B, D, T', V), averaged to one vector per sample. The teacher gets
    no gradient.
    Source: Park et al., "Relational Knowledge Distillation", CVPR 2019, equations 5 to 8.
    """
    ours, theirs = student.mean(dim=(2, 3)), teacher.mean(dim=(2, 3)).detach()
    distance = F.smooth_l1_loss(normalised_pair_distances(ours), normalised_pair_distances(theirs))
    angle = F.smooth_l1_loss(triplet_cosines(ours), triplet_cosines(theirs))
    return DISTANCE_WEIGHT * distance + ANGLE_WEIGHT * angle


def normalised_pair_distances(embedded: Tensor) -> Tensor:
    """(B, C) -> (B, B) Euclidean distances, divided by the mean of the positive ones."""
    squared = (embedded[:, None] - embedded[None]).square().sum(dim=2)
    return relative_distances(squared, squared > 1e-12)


def triplet_cosines(embedded: Tensor) -> Tensor:
    """(B, C) -> (B, B, B): at [j, i, k] the cosine of the angle at j between i and k."""
    directions = F.normalize(embedded[None] - embedded[:, None], dim=2)
    return directions @ directions.transpose(1, 2)


def pcgrad(gradients: Tensor) -> Tensor:
    """PCGrad, (L, P) -> (P,): project each row off every other row that it opposes, then sum the rows.

    The published algorithm visits the other rows in random order. Here the order is fixed, so that runs are
    reproducible and all processes agree.
    Source: Yu et al., "Gradient Surgery for Multi-Task Learning", NeurIPS 2020, algorithm 1.
    """
    powers = gradients.square().sum(dim=1).clamp(min=torch.finfo(gradients.dtype).tiny)
    total = torch.zeros_like(gradients[0])
    for i in range(len(gradients)):
        row = gradients[i].clone()
        for j in range(len(gradients)):
            if i != j:
                row -= torch.dot(row, gradients[j]).clamp(max=0) / powers[j] * gradients[j]
        total += row
    return total
