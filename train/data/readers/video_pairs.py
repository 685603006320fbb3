"""Pairs from the user's own videos, made by ``python -m train pairs``: poses of a good and a cheap estimator."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge.contract.errors import DataError
from edge.contract.preprocess import Preprocessing, resample
from edge.contract.types import Float32
from train.data.clip import Recording, SkeletonClip, SkeletonSet, validated
from train.data.readers.files import read_arrays
from train.video_pairs.manifest import FILE, pair_file, read_manifest

SHAPES = {"times_s": "frames", "high": "frames joints 3", "low": "frames others 3"}
MAKE_AGAIN = "remove it and run make pairs again"
UNSTEADY_FRAMES = 0.5
"""Largest deviation of a timestamp from a constant rate, in frames, without resampling."""


def read_video_pairs(folder: Path) -> SkeletonSet:
    """Read all videos that did not fail, with the cheap estimator's poses as ``low``, in the manifest's split."""
    manifest = read_manifest(folder)
    if not manifest.finished:
        raise DataError("the pairs are not finished", where=folder, hint="run make pairs again; it resumes")
    clips = []
    for name, entry in manifest.videos.items():
        path = pair_file(folder, name)
        times, high, low = read_arrays(path, SHAPES, hint=MAKE_AGAIN).values()
        if not len(times) == entry["frames"] >= 2:
            raise DataError(f"it has {len(times)} frames, in {FILE} {entry['frames']}", where=path, hint=MAKE_AGAIN)
        if not (np.isfinite(times).all() and (np.diff(times) > 0).all()):
            raise DataError("its times do not increase", where=path, hint=MAKE_AGAIN)
        fps = (len(times) - 1) / float(times[-1] - times[0])
        good, cheap = _one_body(high, times, fps), _one_body(low, times, fps)
        label, train = manifest.classes.index(entry["class"]), bool(entry["train"])
        clips.append(SkeletonClip(name, label, good.joints, good.seen, fps, train, low=cheap))
    names, layouts = tuple(manifest.classes), manifest.layouts
    return validated(SkeletonSet("own videos", names, layouts["high"], tuple(clips), manifest.split, layouts["low"]))


def _one_body(keypoints: Float32, times_s: NDArray[np.float64], fps: float) -> Recording:
    """Convert keypoints (S, V, 3) at ``times_s`` (S,) to a recording with a constant frame rate.

    Phones lower their frame rate in the dark, which would otherwise look like faster movement.
    """
    steady = times_s[0] + np.arange(len(times_s)) / fps
    if np.abs(times_s - steady).max() > UNSTEADY_FRAMES / fps:
        keypoints = resample(keypoints, times_s, steady, Preprocessing().max_gap_s)
    seen: NDArray[np.bool_] = keypoints[..., 2] > 0
    return Recording(keypoints[None, ..., :2].astype(np.float32), seen[None], fps)
