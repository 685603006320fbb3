"""Distillation as others do it, to measure the paper's against in the same harness."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from train.distillation.losses import logit_divergence

TEMPERATURE = 4.0
DISTANCE_WEIGHT, ANGLE_WEIGHT = 25.0, 50.0
"""Relational distillation's own weights of its two parts."""


def soft_logits(student: Tensor, teacher: Tensor) -> Tensor:
    """T^2 KL(softmax(z_t / T) || softmax(z_s / T)) of logits (N, K), mean over the batch; T is TEMPERATURE.

    Source: Hinton, Vinyals, Dean, "Distilling the Knowledge in a Neural Network", 2015, section 2.
    """
    return TEMPERATURE**2 * logit_divergence(student / TEMPERATURE, teacher / TEMPERATURE)


def relations(student: Tensor, teacher: Tensor) -> Tensor:
    """Distances of pairs and angles of triplets in a batch, of feature maps (B, C, T', V) averaged to (B, C).

    Smooth-L1 between the student's and the teacher's, 25 x distances + 50 x angles.
    Source: Park et al., "Relational Knowledge Distillation", CVPR 2019, equations 5 to 8.
    """
    ours, theirs = student.mean(dim=(2, 3)), teacher.mean(dim=(2, 3)).detach()
    distance = F.smooth_l1_loss(relative_pair_distances(ours), relative_pair_distances(theirs))
    angle = F.smooth_l1_loss(triplet_cosines(ours), triplet_cosines(theirs))
    return DISTANCE_WEIGHT * distance + ANGLE_WEIGHT * angle


def relative_pair_distances(embedded: Tensor) -> Tensor:
    """(B, C) -> (B, B) Euclidean distances divided by the mean of those between different samples."""
    difference = embedded[:, None] - embedded[None]
    squared = difference.square().sum(dim=2)
    positive = squared > 1e-12
    distances = torch.where(positive, squared, 1.0).sqrt() * positive
    return distances / (distances.sum() / positive.sum().clamp(min=1)).clamp(min=1e-12)


def triplet_cosines(embedded: Tensor) -> Tensor:
    """(B, C) -> (B, B, B): at [j, i, k] the cosine of the angle that i and k form at j."""
    directions = F.normalize(embedded[None] - embedded[:, None], dim=2)
    return directions @ directions.transpose(1, 2)


def surgery(gradients: Tensor) -> Tensor:
    """PCGrad: every row loses its component along each other row that it opposes, then all are summed: (L, P) -> (P,).

    The published algorithm visits the others in random order; here it is the given order, so that a
    run can be repeated and all processes of a run agree.
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
