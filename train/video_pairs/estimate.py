"""One video through two pose estimators, and the pair of recordings that comes of it."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edge.capture.source import CaptureConfig
from edge.capture.video_file import VideoFile
from edge.contract.errors import DataError
from edge.contract.files import write_arrays
from edge.pose.estimator import PoseEstimator
from train.video_pairs.follow import FollowConfig, follow_subject

MIN_FRAMES = 2
RATE_ROUNDING = 0.1
"""29.97 is 30, and 31 is not worth half of its pictures."""


@dataclass(frozen=True)
class VideoResult:
    """frames: pictures of the video; seen: pictures with the subject; matched: of those, with the cheap
    estimator's too."""

    frames: int
    seen: int
    matched: int


def estimate_video(
    video: Path,
    out: Path,
    estimators: tuple[PoseEstimator, PoseEstimator],
    follow: FollowConfig,
    fps: float | None,
    each_frame: Callable[[], None],
) -> VideoResult:
    """Write the pair of one video, whole: times_s (S,), high (S, V_high, 3), low (S, V_low, 3), size (width, height).

    estimators: good and cheap, fresh, for they remember the last picture. each_frame: called after every picture.
    fps: pictures a second to look at, about and at most; None for all of them.
    Raises SourceError for a video that cannot be read to its end, DataError for one with nobody in it, OutputError.
    """
    high, low = estimators
    source = VideoFile(video, CaptureConfig())
    try:
        times, good, poor = [], [], []
        step = max(math.ceil(source.fps / fps - RATE_ROUNDING), 1) if fps else 1
        for frame in source:
            if frame.index % step:
                continue
            times.append(frame.time_s)
            good.append(high.estimate(frame.image, frame.time_s))
            poor.append(low.estimate(frame.image, frame.time_s))
            each_frame()
    finally:
        source.close()
    if len(times) < MIN_FRAMES:
        raise DataError("a single frame is no action", where=video)
    keypoints, cheap = follow_subject(good, poor, times, (high.layout, low.layout), follow)
    seen, matched = ((joints[..., 2] > 0).any(axis=1) for joints in (keypoints, cheap))
    if not seen.any():
        raise DataError("the good estimator sees nobody in it", where=video)
    write_arrays(
        out,
        times_s=np.array(times, np.float64),
        high=keypoints,
        low=cheap,
        size=np.array(source.size, np.int64),
        video_bytes=np.array(video.stat().st_size, np.int64),
    )
    return VideoResult(len(times), int(seen.sum()), int(matched.sum()))
