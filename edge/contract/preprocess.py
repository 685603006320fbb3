"""Convert keypoints in pixels to the clip tensor that a network reads. Training and the device share this code.

The order is fixed: resample by timestamp, impute unseen joints, centre and scale. Normalisation comes after imputation
(and so, in training, after corruption), because on a device centre and scale can only come from joints that were seen.

Axes follow ST-GCN: C channels, T frames, V joints, M bodies.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from edge.contract.errors import ConfigError, DataError
from edge.contract.interpolation import interpolate_cubic
from edge.contract.intervals import require_in
from edge.contract.layouts import JointLayout
from edge.contract.normalisation import Centre, normalise
from edge.contract.types import Float32

Between = Literal["line", "curve"]

VERSION = 1
"""Incremented when the output of this file changes; a bundle of another version is refused."""

CHANNELS = ("x", "y", "seen")

SAME_TIME = 1e-6
"""A time closer to a frame than this fraction of the frame interval counts as that frame's time."""


@dataclass(frozen=True)
class Preprocessing:
    """How a clip is made. The bundle stores these fields, so that the device uses the same."""

    length_frames: int = 32
    """T, number of frames of a clip."""
    fps: float = 15.0
    """Frame rate to resample to, in Hz; a clip spans length_frames / fps seconds."""
    impute_window_frames: int = 3
    """An unseen joint becomes the mean of its seen positions within this many frames before and after."""
    centre: Centre = "trend"
    """What is subtracted from the coordinates. trend: a straight line fitted to the path of the body's root, which
    removes walking and camera pans but keeps jumps and squats. clip: the root's mean. trailing: as trend, but causal:
    each frame is normalised and imputed from itself and earlier frames only, as a stream needs it; see
    edge/contract/normalisation.py."""
    max_gap_s: float = 0.5
    """Joints are not interpolated between frames further apart than this."""
    between: Between = "line"
    """Interpolation between frames. line: linear. curve: cubic, which preserves fast movements of a slow camera, see
    edge/contract/interpolation.py; not with centre trailing, which cannot wait for two later frames."""

    def __post_init__(self) -> None:
        require_in(self, length_frames="[2, 10000]", impute_window_frames="[0, 10000]")
        require_in(self, fps="(0, inf)", max_gap_s="[0, inf]")
        if self.centre not in ("trend", "clip", "trailing"):
            raise ConfigError(f"centre {self.centre!r} is not valid", hint="it is trend, clip or trailing")
        if self.between not in ("line", "curve") or (self.between == "curve" and self.centre == "trailing"):
            raise ConfigError(
                f"between {self.between!r} is not valid with centre {self.centre!r}",
                hint="it is line or curve, and line where centre is trailing",
            )

    @property
    def duration_s(self) -> float:
        """Seconds from the first to the last frame of a clip."""
        return (self.length_frames - 1) / self.fps

    def frame_times(self, end_s: float) -> NDArray[np.float64]:
        """Times (T,) of the frames of a clip that ends at ``end_s``."""
        return end_s - np.arange(self.length_frames - 1, -1, -1) / self.fps


def resample(
    keypoints: Float32,
    times_s: NDArray[np.float64],
    at_s: NDArray[np.float64],
    max_gap_s: float,
    between: Between = "line",
) -> Float32:
    """Interpolate keypoints (S, V, 3) taken at the increasing ``times_s`` (S,) at the times ``at_s`` (T,) -> (T, V, 3).

    Linear between the two neighbouring frames, or cubic (``between``). A joint seen in only one of the two keeps that
    position, with its score scaled by that frame's weight. A time outside the recording gets the nearest frame's pose;
    in a gap longer than ``max_gap_s`` all joints are unseen.
    """
    if _same_times(times_s, at_s):
        return np.where(keypoints[..., 2:] > 0, keypoints, np.float32(0))
    last = len(times_s) - 1
    right = np.clip(np.searchsorted(times_s, at_s), 0, last)
    left = np.clip(right - 1, 0, last)
    gap = times_s[right] - times_s[left]
    weight = np.clip((at_s - times_s[left]) / np.where(gap > 0, gap, 1), 0, 1)
    # A time that equals a frame's but for rounding takes that frame alone: its neighbour must not affect the score.
    weight = np.where(np.abs(weight - weight.round()) < SAME_TIME, weight.round(), weight)
    weights = np.stack([1 - weight, weight])  # (2, T)
    near = np.stack([keypoints[left], keypoints[right]])  # (2, T, V, 3)

    exact = (weight == 0) | (weight == 1)
    usable = exact | (gap <= max_gap_s)
    w = (weights * usable)[..., None] * (near[..., 2] > 0)  # (2, T, V)
    total = w.sum(0)
    out = np.empty((len(at_s), *keypoints.shape[1:]), np.float32)
    out[..., :2] = (w[..., None] * near[..., :2]).sum(0) / np.where(total > 0, total, 1)[..., None]
    out[..., 2] = (w * near[..., 2]).sum(0)
    return interpolate_cubic(out, keypoints, times_s, at_s, max_gap_s) if between == "curve" else out


def _same_times(times_s: NDArray[np.float64], at_s: NDArray[np.float64]) -> bool:
    """Whether no resampling is needed, as for a clip corrupted after it was resampled. Only an optimisation."""
    if len(times_s) != len(at_s) or len(times_s) < 2:
        return False
    return bool(np.abs(times_s - at_s).max() < SAME_TIME / 2 * np.diff(times_s).min())


def impute(keypoints: Float32, window_frames: int, ahead_frames: int) -> tuple[Float32, NDArray[np.bool_]]:
    """Replace unseen joints of (T, V, 3) by the mean of their seen positions within the window; scores stay 0.

    window_frames: extent of the window before a frame. ahead_frames: after it.
    Returns the keypoints and which of them (T, V) are now known (seen or imputed); the others are (0, 0).
    Source: the corruption model of Bian et al.'s release.
    """
    seen = keypoints[..., 2:] > 0
    sums = _window_sum(np.where(seen, keypoints[..., :2], 0.0), window_frames, ahead_frames)
    counts = _window_sum(seen.astype(np.float64), window_frames, ahead_frames)
    out = keypoints.copy()
    mean = sums / np.maximum(counts, 1)
    out[..., :2] = np.where(seen, keypoints[..., :2], mean)
    return out, counts[..., 0] > 0


def _window_sum(values: NDArray[np.float64], before: int, after: int) -> NDArray[np.float64]:
    """For each index of axis 0, the sum from ``before`` entries before it to ``after`` entries after it."""
    length = len(values)
    total = np.concatenate([np.zeros_like(values[:1]), np.cumsum(values, axis=0, dtype=np.float64)])
    index = np.arange(length)
    window_sum: NDArray[np.float64] = (
        total[np.minimum(index + after + 1, length)] - total[np.maximum(index - before, 0)]
    )
    return window_sum


def clip_tensor(
    bodies: Sequence[tuple[Float32, NDArray[np.float64]]],
    layout: JointLayout,
    preprocessing: Preprocessing,
    end_s: float | None = None,
) -> Float32:
    """One clip (C=3, T, V, M) float32 from the recordings of M bodies.

    bodies: for each, keypoints (S, V, 3) with x, y in pixels and score, and their increasing times (S,) in seconds.
    end_s: time of the clip's last frame; by default the latest time of all bodies.
    The third channel says whether a joint was seen, 0..1, and not the estimator's score, whose scale differs between
    estimators: a network trained with one could not be used with another.

    Raises DataError for an empty recording, wrong shapes, times that do not increase, or values that are not finite.
    """
    for keypoints, times_s in bodies:
        _check(keypoints, times_s, layout)
    at = preprocessing.frame_times(max(float(t[-1]) for _, t in bodies) if end_s is None else end_s)
    clip = np.zeros((len(CHANNELS), preprocessing.length_frames, len(layout), len(bodies)), np.float32)
    for m, (keypoints, times_s) in enumerate(bodies):
        seen = keypoints.astype(np.float32, copy=True)
        seen[..., 2] = seen[..., 2] > 0
        body = resample(seen, times_s, at, preprocessing.max_gap_s, preprocessing.between)
        window_frames = preprocessing.impute_window_frames
        body, known = impute(body, window_frames, 0 if preprocessing.centre == "trailing" else window_frames)
        body = normalise(body, known, layout, preprocessing.centre)
        clip[..., m] = body.transpose(2, 0, 1)
    return clip


def _check(keypoints: Float32, times_s: NDArray[np.float64], layout: JointLayout) -> None:
    if len(times_s) == 0:
        raise DataError("an empty recording has no clip", hint="leave out bodies that were never seen")
    if keypoints.shape != (len(times_s), len(layout), 3):
        raise DataError(
            f"keypoints of shape {keypoints.shape} do not fit {len(times_s)} times of layout {layout.name}, "
            f"which needs ({len(times_s)}, {len(layout)}, 3)"
        )
    if not np.isfinite(keypoints).all() or not np.isfinite(times_s).all():
        raise DataError("keypoints contain NaN or infinite values", hint="mark unseen joints with score 0")
    if (np.diff(times_s) <= 0).any():
        raise DataError("the times of a recording must increase", hint="sort the frames and drop duplicates")
