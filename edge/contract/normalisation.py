"""Normalisation: a body is centred on the straight line that its root follows, and divided by its size.

Over a whole clip, or causally, for networks that stream: each frame by itself and earlier frames only, as if it were
the last of a clip that ends with it. Later frames never change it.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from edge.contract.layouts import JointLayout
from edge.contract.types import Float32

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
Centre = Literal["trend", "clip", "trailing"]


def normalise(keypoints: Float32, known: Flags, layout: JointLayout, centre: Centre) -> Float32:
    """Centre (T, V, 3) on the body's root and divide by the body's size; unknown joints become (0, 0).

    Root: the mid-hip, else the mean of the known joints. Size: the median length from mid-hip to mid-shoulder; if the
    trunk is never known, a third of the body's height. ``known`` (T, V) as :func:`edge.contract.preprocess.impute`
    returns it.
    """
    at = np.arange(len(keypoints))
    if centre == "trailing":
        return normalise_causal(keypoints, known, layout, at)
    return _normalise(keypoints, known, layout, at, np.ones((1, len(at)), np.bool_), sloping=centre == "trend")


def normalise_causal(
    keypoints: Float32, known: Flags, layout: JointLayout, at: NDArray[np.int64], reach_frames: int | None = None
) -> Float32:
    """Frames ``at`` (S,) of keypoints (T, V, 3), each normalised by the frames up to itself -> (S, V, 3).

    reach_frames: how many frames are used at most, the frame itself included; None for all.
    """
    age = np.asarray(at)[:, None] - np.arange(len(keypoints))  # (S, T)
    past: Flags = (age >= 0) & (age < (len(keypoints) if reach_frames is None else reach_frames))
    return _normalise(keypoints, known, layout, at, past)


def _normalise(
    keypoints: Float32, known: Flags, layout: JointLayout, at: NDArray[np.int64], used: Flags, *, sloping: bool = True
) -> Float32:
    """Frames ``at`` (S,), each normalised by the frames in its row of ``used`` (S, T); one row (1, T) holds for all.

    sloping: whether the line may slope; else it is the mean.
    """
    xy = keypoints[..., :2].astype(np.float64)
    hips, hips_known = _midpoint(xy, known, layout, "left_hip", "right_hip")
    shoulders, shoulders_known = _midpoint(xy, known, layout, "left_shoulder", "right_shoulder")
    by_hips: Flags = used & hips_known
    line, has_line = _line(hips, by_hips, at, sloping), np.asarray(by_hips.any(axis=1))
    if not has_line.all():
        mean = np.where(known[..., None], xy, 0).sum(1) / np.maximum(known.sum(1), 1)[:, None]
        line = np.where(has_line[:, None], line, _line(mean, used & known.any(axis=1), at, sloping))
    size = _median(np.linalg.norm(hips - shoulders, axis=-1), by_hips & shoulders_known)
    if (size < 1e-3).any():
        size = np.where(size < 1e-3, _height(xy[..., 1], known, used) / 3, size)

    out = keypoints[at].copy()
    normalised = (xy[at] - line[:, None]) / np.maximum(size, 1e-3)[:, None, None]
    out[..., :2] = np.where(known[at][..., None], normalised, 0)
    return out


def _midpoint(xy: Floats, known: Flags, layout: JointLayout, left: str, right: str) -> tuple[Floats, Flags]:
    """The midpoint (T, 2) of two joints of ``xy`` (T, V, 2), and whether both are ``known`` (T,)."""
    a, b = layout.index(left, right)
    return (xy[:, a] + xy[:, b]) / 2, known[:, a] & known[:, b]


def _line(path: Floats, used: Flags, at: NDArray[np.int64], sloping: bool) -> Floats:
    """For each row of ``used``, fit a line to those points of path (T, 2); its values (S, 2) at ``at``."""
    t = np.arange(len(path), dtype=np.float64)
    count = np.maximum(used.sum(axis=1), 1)
    mean_t = used @ t / count
    mean_p: Floats = used @ path / count[:, None]
    if not sloping:
        return mean_p
    centred_t = np.where(used, t - mean_t[:, None], 0)
    slope = centred_t @ path / np.maximum((centred_t**2).sum(axis=1), 1e-9)[:, None]
    line: Floats = mean_p + (at - mean_t)[:, None] * slope
    return line


def _median(lengths: Floats, used: Flags) -> Floats:
    """For each row of ``used`` the median of those lengths (T,); 0 if there are none."""
    count = used.sum(axis=1)
    ordered = np.sort(np.where(used, lengths, np.inf), axis=1)
    rows, last = np.arange(len(used)), len(lengths) - 1
    both = ordered[rows, np.maximum(count - 1, 0) // 2] + ordered[rows, np.minimum(count // 2, last)]
    return np.where(count > 0, both / 2, 0)


def _height(y: Floats, known: Flags, used: Flags) -> Floats:
    """For each row of ``used`` the extent of the known joints' y (T, V) in those frames; below 0 without any."""
    smallest = np.where(known, y, np.inf).min(axis=1)
    largest = np.where(known, y, -np.inf).max(axis=1)
    extent: Floats = np.where(used, largest, -np.inf).max(axis=1) - np.where(used, smallest, np.inf).min(axis=1)
    return extent
