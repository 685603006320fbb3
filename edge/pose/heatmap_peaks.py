"""Peaks of heatmaps: where joints may be.

The rules are those of trt_pose, whose networks are trained for them. Everything runs over all
maps at once; what is per peak is gathered, so that the cost follows the number of people.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge.contract.types import Float32

REACH = 2
"""A peak is the largest within this many cells in each direction: a window of 5 by 5."""

NEARLY = 1 - 2**-9
"""Times the largest of its window, what a network that looks for maxima itself gives as a candidate. An engine that
mixes precisions may pool heatmaps rounded to half precision and compare them unrounded, up to 2^-11 of their value
apart: asked for equality, hardly a peak would be left. :func:`find_peaks` keeps the largest of them."""

MIN_PEAK = 0.1
"""A heatmap's value, above which a joint may be; trt_pose's value."""

_OFFSETS = np.arange(-REACH, REACH + 1)
_EARLIER = np.arange(_OFFSETS.size**2).reshape(_OFFSETS.size, -1) < _OFFSETS.size**2 // 2
"""The cells of the window that come before its middle one, row by row."""


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

    Of equal neighbours the first counts: trt_pose keeps both, but the maps of an INT8 network tie often, and
    a joint found twice tears its limbs apart. The position is the mean of the window's cells weighted by their
    values (the map is mirrored at its border), plus half a cell, unless values below 0 put it beyond the window. Of
    more than ``max_per_map`` in a map the first rows' are kept.
    maxima: the heatmaps with 0 wherever a cell of the window is clearly greater, from a network that looks itself.
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
    middle = value[:, None, None]
    kept = ~((window > middle) | ((window == middle) & inside & _EARLIER)).any((1, 2))
    start = np.searchsorted(joint[kept], np.arange(maps + 1))
    kept[kept] = np.arange(start[-1]) - start[joint[kept]] < max_per_map
    joint, rows, columns, window, value = joint[kept], rows[kept], columns[kept], window[kept], value[kept]

    total = window.sum((1, 2))
    # Values below 0 may add up to nothing, or to a mean that is anywhere: then the peak is in the middle of its cell.
    weight = np.where(total > 0, total, np.inf)
    x, y = (window.sum(1) * columns).sum(1) / weight, (window.sum(2) * rows).sum(1) / weight
    middle_x, middle_y = columns[:, REACH], rows[:, REACH]
    is_near = (total > 0) & (np.abs(x - middle_x) <= REACH) & (np.abs(y - middle_y) <= REACH)
    x, y = (np.where(is_near, x, middle_x) + 0.5) / width, (np.where(is_near, y, middle_y) + 0.5) / height
    start = np.searchsorted(joint, np.arange(maps + 1))
    return Peaks(np.stack([x, y], axis=1).astype(np.float32), value, start)


def _mirrored(index: NDArray[np.int64], length: int) -> NDArray[np.int64]:
    """Indices beyond 0..length-1 reflected at the border cell."""
    last = length - 1
    inside: NDArray[np.int64] = last - np.abs(last - np.abs(index))
    return inside


def _window_maximum(heatmaps: Float32) -> Float32:
    """The largest value of the 5 by 5 window around each cell of (K, H, W), by columns and then by rows."""
    maps, height, width = heatmaps.shape
    padded = np.full((maps, height + 2 * REACH, width + 2 * REACH), -np.inf, np.float32)
    padded[:, REACH:-REACH, REACH:-REACH] = heatmaps
    two = np.maximum(padded[:, :-1], padded[:, 1:])
    five = np.maximum(np.maximum(two[:, :-3], two[:, 2:-1]), padded[:, 2 * REACH :])
    two = np.maximum(five[:, :, :-1], five[:, :, 1:])
    largest: Float32 = np.maximum(np.maximum(two[:, :, :-3], two[:, :, 2:-1]), five[:, :, 2 * REACH :])
    return largest
