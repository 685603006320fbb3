"""Peaks of heatmaps: the candidates for joints.

The rules are those of trt_pose, whose networks are trained for them. All maps are processed at once, and values are
gathered per peak, so that the cost follows the number of people.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.contract.types import Float32

PEAK_RADIUS = 2
"""A peak is the maximum within this many cells in each direction: a window of 5 by 5."""

PEAK_RATIO = 1 - 2**-9
"""A network that finds maxima itself outputs the cells above this part of the maximum of their window. An engine of
mixed precision may pool heatmaps rounded to half precision and compare them unrounded, which differ by up to 2^-11:
an exact comparison would leave hardly a peak. :func:`find_peaks` keeps the largest cell."""

MIN_PEAK = 0.1
"""Least heatmap value of a peak; trt_pose's value."""

_OFFSETS = np.arange(-PEAK_RADIUS, PEAK_RADIUS + 1)
_EARLIER = np.arange(_OFFSETS.size**2).reshape(_OFFSETS.size, -1) < _OFFSETS.size**2 // 2
"""Cells of the window that come before its centre, row by row."""


@dataclass(frozen=True)
class Peaks:
    """N peaks, sorted by joint, then by row and column.

    xy: (N, 2) float32, 0..1 of the map's width and height. value: (N,) float32, the map there.
    start: (K + 1,) int64; the peaks of joint k are those from start[k] up to start[k + 1].
    """

    xy: Float32
    value: Float32
    start: NDArray[np.int64]


def find_peaks(
    heatmaps: Float32, threshold: float = MIN_PEAK, max_per_map: int = 100, maxima: Float32 | None = None
) -> Peaks:
    """Local maxima above ``threshold`` in heatmaps (K, H, W), to a fraction of a cell.

    Of equal neighbours the first counts: trt_pose keeps both, but ties are frequent in the maps of an INT8 network, and
    a joint found twice splits its limbs. The position is the mean of the window's cells weighted by their values (the
    map is mirrored at its border), plus half a cell; it is the cell's centre if values below 0 would move it out of the
    window. ``max_per_map``: the first, by rows, are kept.
    maxima: the heatmaps with 0 wherever a cell of the window is clearly greater, from a network that finds maxima.
    """
    maps, height, width = heatmaps.shape
    is_peak = (heatmaps > threshold) & (heatmaps == _window_maximum(heatmaps)) if maxima is None else maxima > threshold
    joint, row, column = np.unravel_index(np.flatnonzero(is_peak), heatmaps.shape)
    rows, columns = row[:, None] + _OFFSETS, column[:, None] + _OFFSETS  # (N, 5)
    window = heatmaps[
        joint[:, None, None], _mirrored(rows, height)[:, :, None], _mirrored(columns, width)[:, None, :]
    ]  # (N, 5, 5)
    value = heatmaps[joint, row, column]

    inside = ((rows >= 0) & (rows < height))[:, :, None] & ((columns >= 0) & (columns < width))[:, None, :]
    centre = value[:, None, None]
    kept = ~((window > centre) | ((window == centre) & inside & _EARLIER)).any((1, 2))
    start = np.searchsorted(joint[kept], np.arange(maps + 1))
    kept[kept] = np.arange(start[-1]) - start[joint[kept]] < max_per_map
    joint, rows, columns, window, value = joint[kept], rows[kept], columns[kept], window[kept], value[kept]

    total = window.sum((1, 2))
    # With values below 0 the sum may be 0 and the mean anywhere: then the peak is at the centre of its cell.
    weight = np.where(total > 0, total, np.nan)
    x, y = (window.sum(1) * columns).sum(1) / weight, (window.sum(2) * rows).sum(1) / weight
    centre_x, centre_y = columns[:, PEAK_RADIUS], rows[:, PEAK_RADIUS]
    is_near = (np.abs(x - centre_x) <= PEAK_RADIUS) & (np.abs(y - centre_y) <= PEAK_RADIUS)
    x, y = (np.where(is_near, x, centre_x) + 0.5) / width, (np.where(is_near, y, centre_y) + 0.5) / height
    start = np.searchsorted(joint, np.arange(maps + 1))
    return Peaks(np.stack([x, y], axis=1).astype(np.float32), value, start)


def _mirrored(index: NDArray[np.int64], length: int) -> NDArray[np.int64]:
    """Indices, with those outside 0..length-1 reflected at the border cell."""
    last = length - 1
    inside: NDArray[np.int64] = last - np.abs(last - np.abs(index))
    return inside


def _window_maximum(heatmaps: Float32) -> Float32:
    """The maximum of the 5 by 5 window around each cell of (K, H, W)."""
    window = np.ones((_OFFSETS.size, _OFFSETS.size), np.uint8)
    return np.stack([np.asarray(cv2.dilate(heatmap, window), np.float32) for heatmap in heatmaps])
