"""Timestamps of a recording's frames on the clip's time axis, which starts at 0."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from train.data.clip import Recording, SkeletonClip

Span = Literal["whole", "window"]
Times = NDArray[np.float64]


def stretch_to_clip(clip: SkeletonClip, duration_s: float) -> Times:
    """(S,) times in seconds of a recording's frames when the whole recording is stretched to the clip."""
    return np.linspace(0, duration_s, clip.joints.shape[1], dtype=np.float64)


def place_window(clip: SkeletonClip, duration_s: float, tempo: float, rng: np.random.Generator | None) -> Times:
    """(S,) times in seconds of a recording's frames when the clip shows the window 0 to ``duration_s``.

    With ``rng`` the window lies at a random place, at a speed changed by up to the share ``tempo``; without, in the
    middle at the original speed. A recording shorter than the window lies inside it; its first and last pose are held
    before and after.
    """
    rate = clip.fps * (1.0 if rng is None else rng.uniform(1 - tempo, 1 + tempo))
    times = np.arange(clip.joints.shape[1]) / rate
    slack = times[-1] - duration_s
    offset = slack / 2 if rng is None else rng.uniform(min(slack, 0), max(slack, 0))
    return np.asarray(times - offset)


def align_recording(times: Times, recorded: Recording) -> Times:
    """Times of a second recording's frames; it starts and ends with the first, whose frames have ``times`` (S,)."""
    frames, start, end = recorded.joints.shape[1], times[0], times[-1]
    if len(times) == 1:  # a single frame has no duration
        end = start + (frames - 1) / recorded.fps
    return np.linspace(start, end, frames)
