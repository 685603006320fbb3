"""Normalisation that looks back only: what a network that streams can know of a frame when it comes.

Each frame is centred and scaled as a clip that ended with it would be at its last frame: by the straight line fitted
to the root's path up to there, and by the median trunk up to there. A frame that was normalised stays as it is,
whatever follows.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edge.contract.layouts import JointLayout
from edge.contract.types import Float32

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


def normalise_causal(
    keypoints: Float32, known: Flags, layout: JointLayout, at: NDArray[np.int64], reach_frames: int | None = None
) -> Float32:
    """The frames ``at`` (S,) of keypoints (T, V, 3), each centred and scaled by frames 0 to itself -> (S, V, 3).

    reach_frames: of those, how many at most: itself and what came right before; None for all.

    Root: the mid-hip, else the middle of what is known. Size: the median length from mid-hip to mid-shoulder;
    where the trunk was not known yet, a third of the body's height. Joints that are not known become (0, 0), and so
    does everything before the first that is. ``known`` (T, V) as :func:`edge.contract.preprocess.impute` gives it.
    """
    xy = keypoints[..., :2].astype(np.float64)
    ago = np.asarray(at)[:, None] - np.arange(len(xy))  # (S, T)
    past: Flags = (ago >= 0) & (ago < (len(xy) if reach_frames is None else reach_frames))
    hips, hips_known = midpoint(xy, known, layout, "left_hip", "right_hip")
    shoulders, shoulders_known = midpoint(xy, known, layout, "left_shoulder", "right_shoulder")
    middle = np.where(known[..., None], xy, 0).sum(1) / np.maximum(known.sum(1), 1)[:, None]

    by_hips: Flags = np.asarray((past & hips_known).any(axis=1))
    seen: Flags = np.asarray(known.any(axis=1))
    centre = np.where(by_hips[:, None], _line_end(hips, past & hips_known, at), _line_end(middle, past & seen, at))
    trunk = _median(np.linalg.norm(hips - shoulders, axis=-1), past & hips_known & shoulders_known)
    size = np.where(trunk < 1e-3, _height(xy[..., 1], known, past) / 3, trunk)

    out = keypoints[at].copy()
    moved = (xy[at] - centre[:, None]) / np.maximum(size, 1e-3)[:, None, None]
    out[..., :2] = np.where(known[at][..., None], moved, 0)
    return out


def midpoint(xy: Floats, known: Flags, layout: JointLayout, left: str, right: str) -> tuple[Floats, Flags]:
    """The middle (T, 2) between two joints of ``xy`` (T, V, 2), and where both are ``known`` (T,)."""
    a, b = layout.index(left, right)
    return (xy[:, a] + xy[:, b]) / 2, known[:, a] & known[:, b]


def _line_end(path: Floats, used: Flags, at: NDArray[np.int64]) -> Floats:
    """(S, 2) at ``at`` of the lines fitted to the points of a path (T, 2) that each row of ``used`` (S, T) has."""
    t = np.arange(len(path), dtype=np.float64)
    count = np.maximum(used.sum(axis=1), 1)
    mean_t, mean_p = used @ t / count, used @ path / count[:, None]
    away = np.where(used, t - mean_t[:, None], 0)  # (S, T)
    slope = away @ path / np.maximum((away**2).sum(axis=1), 1e-9)[:, None]
    line: Floats = mean_p + (at - mean_t)[:, None] * slope
    return line


def _median(lengths: Floats, used: Flags) -> Floats:
    """For each row of ``used`` (S, T) the median of those lengths (T,); 0 where there is none."""
    count = used.sum(axis=1)
    ordered = np.sort(np.where(used, lengths, np.inf), axis=1)
    rows, last = np.arange(len(used)), len(lengths) - 1
    both = ordered[rows, np.maximum(count - 1, 0) // 2] + ordered[rows, np.minimum(count // 2, last)]
    return np.where(count > 0, both / 2, 0)


def _height(y: Floats, known: Flags, past: Flags) -> Floats:
    """For each row of ``past`` (S, T) the extent of all known joints' y (T, V) so far; 0 where there is none."""
    lowest = np.where(known, y, np.inf).min(axis=1)
    highest = np.where(known, y, -np.inf).max(axis=1)
    extent = np.where(past, highest, -np.inf).max(axis=1) - np.where(past, lowest, np.inf).min(axis=1)
    return np.where((past & known.any(axis=1)).any(axis=1), extent, 0)
