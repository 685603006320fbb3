"""Run two pose estimators over one video and write the pair of recordings."""

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
from edge.contract.types import Float32
from edge.pose.estimator import PoseEstimator
from train.video_pairs.follow import FollowConfig, follow_subject

MIN_FRAMES = 2
RATE_ROUNDING = 0.1
"""Tolerance of the frame step: at fps 15, a video of 31 frames/s gives every second frame, not every third."""


@dataclass(frozen=True)
class VideoResult:
    """frames: processed frames of the video. seen: frames in which the good estimator found the subject.
    matched: frames of those in which the cheap estimator found it too."""

    frames: int
    seen: int
    matched: int


def result_of(high: Float32, low: Float32) -> VideoResult:
    """Count the frames of keypoints (S, V_high, 3) and (S, V_low, 3) in which the subject is seen."""
    seen, matched = (int((joints[..., 2] > 0).any(axis=1).sum()) for joints in (high, low))
    return VideoResult(len(high), seen, matched)


def estimate_video(
    video: Path,
    out: Path,
    estimators: tuple[PoseEstimator, PoseEstimator],
    follow: FollowConfig,
    fps: float | None,
    on_frame: Callable[[], None],
) -> VideoResult:
    """Write the pair of one video: times_s (S,), high (S, V_high, 3), low (S, V_low, 3), size (width, height), and the
    video's size in bytes.

    estimators: good and cheap, newly opened because they keep state between frames. on_frame: called after each frame.
    fps: process about this many frames per second at most; None for all.
    Raises SourceError for a video that cannot be read to its end, DataError for one with nobody in it, OutputError.
    """
    high, low = estimators
    source = VideoFile(video, CaptureConfig())
    try:
        video_bytes = video.stat().st_size  # now: it may be moved or removed meanwhile
        times, good, poor = [], [], []
        step = max(math.ceil(source.fps / fps - RATE_ROUNDING), 1) if fps else 1
        for frame in source:
            if frame.index % step:
                continue
            times.append(frame.time_s)
            good.append(high.estimate(frame.image, frame.time_s))
            poor.append(low.estimate(frame.image, frame.time_s))
            on_frame()
    finally:
        source.close()
    if len(times) < MIN_FRAMES:
        raise DataError("the video has fewer than two frames", where=video)
    keypoints, cheap = follow_subject(good, poor, times, (high.layout, low.layout), follow)
    result = result_of(keypoints, cheap)
    if not result.seen:
        raise DataError("the good estimator finds nobody in it", where=video)
    about = {"size": np.array(source.size, np.int64), "video_bytes": np.array(video_bytes, np.int64)}
    write_arrays(out, times_s=np.array(times, np.float64), high=keypoints, low=cheap, **about)
    return result
