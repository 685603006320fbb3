"""When: the moments of a clip, and where on its clock the frames of a recording lie."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from edge.contract.preprocess import Preprocessing
from train.data.clip import Recording, SkeletonClip

Span = Literal["whole", "window"]
Times = NDArray[np.float64]


def clip_times(how: Preprocessing) -> Times:
    """(T,) seconds from 0 at which a clip shows somebody."""
    return np.arange(how.length_frames) / how.fps


def stretch_to_clip(clip: SkeletonClip, duration_s: float) -> Times:
    """(S,) seconds of a recording's frames when all of it is stretched to the clip."""
    return np.linspace(0, duration_s, clip.joints.shape[1])


def place_window(clip: SkeletonClip, duration_s: float, tempo: float, rng: np.random.Generator | None) -> Times:
    """(S,) seconds of a recording's frames such that the clip's window is 0 to ``duration_s``.

    It lies anywhere in the recording, at a rate changed by up to the share ``tempo``, both drawn from ``rng``; without
    one in its middle, at its own rate. A recording shorter than the window lies inside it: it is held still before and
    after, as people stand there.
    """
    rate = clip.fps * (1.0 if rng is None else rng.uniform(1 - tempo, 1 + tempo))
    times = np.arange(clip.joints.shape[1]) / rate
    slack = times[-1] - duration_s
    offset = slack / 2 if rng is None else rng.uniform(min(slack, 0), max(slack, 0))
    return np.asarray(times - offset)


def align_recording(times: Times, recorded: Recording) -> Times:
    """Of the second recording's frames: it began and ended with the first, whose ``times`` (S,) these are."""
    frames, start, end = recorded.joints.shape[1], times[0], times[-1]
    if len(times) == 1:  # one good frame lasts no time
        end = start + (frames - 1) / recorded.fps
    return np.linspace(start, end, frames)
