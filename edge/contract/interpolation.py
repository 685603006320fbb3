"""Where a joint was between two frames: on a curve through the four around, not on the straight line.

A line cuts the tops off fast movements, the more the slower the camera: at 12 frames a second it misses a wrist that
goes to and fro twice a second by up to 7 % of the swing. So a slow camera's clips are calmer than a fast one's, and
their labels others.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edge.contract.types import Float32

EVEN = 2.0
"""Frames whose distances in time differ by this factor or more have no curve through them: it would overshoot."""


def interpolate_cubic(
    on_lines: Float32,
    keypoints: Float32,
    times_s: NDArray[np.float64],
    at_s: NDArray[np.float64],
    max_gap_s: float,
) -> Float32:
    """Keypoints (T, V, 3) at the moments ``at_s`` (T,), where there are curves; elsewhere ``on_lines`` (T, V, 3) stays.

    keypoints: (S, V, 3) taken at ``times_s`` (S,) rising. A joint has a curve, the cubic polynomial through the two
    frames before and the two after the moment (Lagrange), where it was seen in all four of them, and they follow each
    other evenly and within ``max_gap_s``. What was seen is as ``on_lines`` says.
    """
    if len(times_s) < 4:
        return on_lines
    after = np.clip(np.searchsorted(times_s, at_s), 2, len(times_s) - 2)
    frames = after + np.arange(-2, 2)[:, None]  # (4, T)
    times, near = times_s[frames], keypoints[frames]
    gaps = np.diff(times, axis=0)
    even = (gaps.max(axis=0) <= max_gap_s) & (gaps.max(axis=0) < EVEN * gaps.min(axis=0))
    within = (at_s >= times[1]) & (at_s <= times[2])
    curved = (even & within)[:, None] & (near[..., 2] > 0).all(axis=0)  # (T, V)

    weights = np.ones((4, len(at_s)))
    for one in range(4):
        for other in set(range(4)) - {one}:
            weights[one] *= (at_s - times[other]) / (times[one] - times[other])
    places = np.einsum("ft,ftvc->tvc", weights, near[..., :2].astype(np.float64))
    found = on_lines.copy()
    found[..., :2] = np.where(curved[..., None], places, on_lines[..., :2])
    return found
