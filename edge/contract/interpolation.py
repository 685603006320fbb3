"""Interpolate joints between frames with cubic polynomials.

Linear interpolation cuts off the peaks of fast movements, the more the slower the camera: at 12 frames per second it
misses up to 7 % of the swing of a wrist that moves to and fro twice a second. Clips of a slow camera would then be
calmer than those of a fast one, and their labels would differ.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edge.contract.types import Float32

MAX_GAP_RATIO = 2.0
"""If the gaps between four frames differ by this factor or more, a cubic through them would overshoot."""


def interpolate_cubic(
    linear: Float32, keypoints: Float32, times_s: NDArray[np.float64], at_s: NDArray[np.float64], max_gap_s: float
) -> Float32:
    """Keypoints (T, V, 3) at the times ``at_s`` (T,): cubic where possible, elsewhere ``linear`` (T, V, 3).

    keypoints: (S, V, 3) taken at the increasing ``times_s`` (S,). A joint is interpolated with the cubic Lagrange
    polynomial through the two frames before and the two after the time, if it was seen in all four and their gaps are
    even and at most ``max_gap_s``. Scores are those of ``linear``.
    """
    if len(times_s) < 4:
        return linear
    after = np.clip(np.searchsorted(times_s, at_s), 2, len(times_s) - 2)
    frames = after + np.arange(-2, 2)[:, None]  # (4, T)
    times, near = times_s[frames], keypoints[frames]
    gaps = np.diff(times, axis=0)
    even = (gaps.max(axis=0) <= max_gap_s) & (gaps.max(axis=0) < MAX_GAP_RATIO * gaps.min(axis=0))
    within = (at_s >= times[1]) & (at_s <= times[2])
    cubic = (even & within)[:, None] & (near[..., 2] > 0).all(axis=0)  # (T, V)

    weights = np.ones((4, len(at_s)))
    for i in range(4):
        for j in set(range(4)) - {i}:
            weights[i] *= (at_s - times[j]) / (times[i] - times[j])
    xy = np.einsum("ft,ftvc->tvc", weights, near[..., :2].astype(np.float64))
    out = linear.copy()
    out[..., :2] = np.where(cubic[..., None], xy, linear[..., :2])
    return out
