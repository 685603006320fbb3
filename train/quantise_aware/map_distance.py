"""Distance between the heatmaps and fields of a pose network and those of its teacher."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from edge.pose.heatmap_peaks import MIN_PEAK

MIN_VARIANCE = 0.1
"""Lower limit of a channel's variance in the scale, relative to the mean variance."""
WINDOW = 5
"""Cells of the window for peak detection: around a possible peak, every cell of it counts fully."""


def scale_of(maps: Tensor) -> Tensor:
    """(1, C, 1, 1) variance of each channel of (N, C, h, w), limited from below."""
    variance = maps.var(dim=(0, 2, 3), keepdim=True)
    return variance.clamp_min(MIN_VARIANCE * float(variance.mean()) + 1e-12)


def map_distance(
    maps: Sequence[Tensor], teacher_maps: Sequence[Tensor], scales: Sequence[Tensor], elsewhere: float
) -> Tensor:
    """Mean squared distance of maps (N, C, h, w), each channel's relative to its variance.

    elsewhere: weight of cells that are far from anything that could be a peak or a limb in either map. They are most of
    a map and decide nothing.
    """
    distances = []
    for own, teacher, scale in zip(maps, teacher_maps, scales, strict=True):
        with torch.no_grad():
            visible = (torch.maximum(own.abs(), teacher.abs()) > MIN_PEAK / 2).float()
            weight = elsewhere + (1 - elsewhere) * F.max_pool2d(visible, WINDOW, 1, WINDOW // 2)
        distances.append((weight * (own - teacher) ** 2 / scale).mean() / weight.mean())
    return torch.stack(distances).mean()
