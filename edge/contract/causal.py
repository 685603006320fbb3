"""Causal normalisation: each frame is normalised by itself and earlier frames only, for networks that stream.

A frame is centred and scaled like the last frame of a clip that ends with it: by the straight line fitted to the root's
path so far, and by the median trunk length so far. Later frames never change it.
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
    """Frames ``at`` (S,) of keypoints (T, V, 3), each centred and scaled by the frames up to itself -> (S, V, 3).

    reach_frames: how many frames are used at most, the frame itself included; None for all.

    Root: the mid-hip, else the mean of the known joints. Size: the median length from mid-hip to mid-shoulder; if the
    trunk was not known yet, a third of the body's height. Unknown joints become (0, 0), and so do all joints before the
    first known one. ``known`` (T, V) as :func:`edge.contract.preprocess.impute` returns it.
    """
    xy = keypoints[..., :2].astype(np.float64)
    age = np.asarray(at)[:, None] - np.arange(len(xy))  # (S, T)
    past: Flags = (age >= 0) & (age < (len(xy) if reach_frames is None else reach_frames))
    hips, hips_known = midpoint(xy, known, layout, "left_hip", "right_hip")
    shoulders, shoulders_known = midpoint(xy, known, layout, "left_shoulder", "right_shoulder")
    mean = np.where(known[..., None], xy, 0).sum(1) / np.maximum(known.sum(1), 1)[:, None]

    by_hips: Flags = np.asarray((past & hips_known).any(axis=1))
    any_known: Flags = np.asarray(known.any(axis=1))
    centre = np.where(by_hips[:, None], _line_at(hips, past & hips_known, at), _line_at(mean, past & any_known, at))
    trunk = _median(np.linalg.norm(hips - shoulders, axis=-1), past & hips_known & shoulders_known)
    size = np.where(trunk < 1e-3, _height(xy[..., 1], known, past) / 3, trunk)

    out = keypoints[at].copy()
    normalised = (xy[at] - centre[:, None]) / np.maximum(size, 1e-3)[:, None, None]
    out[..., :2] = np.where(known[at][..., None], normalised, 0)
    return out


def midpoint(xy: Floats, known: Flags, layout: JointLayout, left: str, right: str) -> tuple[Floats, Flags]:
    """The midpoint (T, 2) of two joints of ``xy`` (T, V, 2), and whether both are ``known`` (T,)."""
    a, b = layout.index(left, right)
    return (xy[:, a] + xy[:, b]) / 2, known[:, a] & known[:, b]


def _line_at(path: Floats, used: Flags, at: NDArray[np.int64]) -> Floats:
    """For each row of ``used`` (S, T), fit a line to those points of path (T, 2); its values (S, 2) at ``at``."""
    t = np.arange(len(path), dtype=np.float64)
    count = np.maximum(used.sum(axis=1), 1)
    mean_t, mean_p = used @ t / count, used @ path / count[:, None]
    centred_t = np.where(used, t - mean_t[:, None], 0)  # (S, T)
    slope = centred_t @ path / np.maximum((centred_t**2).sum(axis=1), 1e-9)[:, None]
    line: Floats = mean_p + (at - mean_t)[:, None] * slope
    return line


def _median(lengths: Floats, used: Flags) -> Floats:
    """For each row of ``used`` (S, T) the median of those lengths (T,); 0 if there are none."""
    count = used.sum(axis=1)
    ordered = np.sort(np.where(used, lengths, np.inf), axis=1)
    rows, last = np.arange(len(used)), len(lengths) - 1
    both = ordered[rows, np.maximum(count - 1, 0) // 2] + ordered[rows, np.minimum(count // 2, last)]
    return np.where(count > 0, both / 2, 0)


def _height(y: Floats, known: Flags, past: Flags) -> Floats:
    """For each row of ``past`` (S, T) the extent of the known joints' y (T, V) in those frames; below 0 without any."""
    smallest = np.where(known, y, np.inf).min(axis=1)
    largest = np.where(known, y, -np.inf).max(axis=1)
    extent: Floats = np.where(past, largest, -np.inf).max(axis=1) - np.where(past, smallest, np.inf).min(axis=1)
    return extent
