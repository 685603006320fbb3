"""How far a pose network's heatmaps and fields are from those of the network that teaches it."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from edge.pose.heatmap_peaks import MIN_PEAK

QUIET = 0.1
"""A channel that varies less than this part of the mean channel counts as if it varied so much."""
AROUND = 5
"""Cells of the window in which a peak is found: what it could be compared with counts as well."""


def scale_of(maps: Tensor) -> Tensor:
    """(1, C, 1, 1) variance of each channel of (N, C, h, w)."""
    variance = maps.var(dim=(0, 2, 3), keepdim=True)
    return variance.clamp_min(QUIET * float(variance.mean()) + 1e-12)


def map_distance(
    given: Sequence[Tensor], wanted: Sequence[Tensor], scales: Sequence[Tensor], elsewhere: float
) -> Tensor:
    """Mean over the maps (N, C, h, w) of the squared distance, as part of each channel's variance.

    elsewhere: weight of what is far from everything that could be a peak or a limb in either map. There nothing is
    decided, and it is most of a map.
    """
    distances = []
    for g, w, scale in zip(given, wanted, scales, strict=True):
        with torch.no_grad():
            seen = (torch.maximum(g.abs(), w.abs()) > MIN_PEAK / 2).float()
            weight = elsewhere + (1 - elsewhere) * F.max_pool2d(seen, AROUND, 1, AROUND // 2)
        distances.append((weight * (g - w) ** 2 / scale).mean() / weight.mean())
    return torch.stack(distances).mean()
