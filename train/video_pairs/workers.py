"""Process videos in a pool of processes that can be stopped at every frame."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import cv2

from edge.contract.errors import DataError, SourceError
from train.video_pairs.estimate import VideoResult, estimate_video
from train.video_pairs.follow import FollowConfig
from train.video_pairs.two_estimators import TwoEstimators
from train.worker_pool import SPAWN, WorkerPool

POLL_S = 0.2


@dataclass(frozen=True)
class Job:
    """A video to process. name: as in the manifest."""

    name: str
    video: Path
    out: Path
    estimators: TwoEstimators
    follow: FollowConfig
    fps: float | None


class StopRequested(Exception):
    """Raised in a worker between two frames after the parent asked to stop."""


@dataclass
class SharedState:
    """State shared with the workers: the stop event, and the number of frames processed so far."""

    stop: Any = field(default_factory=SPAWN.Event)
    frames: Any = field(default_factory=partial(SPAWN.Value, "q", 0))


_shared: SharedState | None = None


def process_videos(
    jobs: Sequence[Job], workers: int, shared: SharedState
) -> Iterator[tuple[str, VideoResult | str] | None]:
    """Yield (name, result) as videos finish, (name, error message) for failed ones, and None at least every POLL_S.

    An error in a video, even a crash of its process, fails that video only. Errors of the disk or of a network are
    raised. After ``shared.stop`` is set, videos in progress are abandoned at the next frame.
    """
    crashed: list[Job] = []
    yield from _run_pool(jobs, workers, shared, crashed)
    # A crash breaks the pool and all videos in progress. Repeat each in a pool of its own to find the one that crashes.
    for job in crashed:
        if shared.stop.is_set():
            return
        again: list[Job] = []
        yield from _run_pool([job], 1, shared, again)
        if again:
            yield job.name, "the process that read it crashed"


def _run_pool(
    jobs: Sequence[Job], workers: int, shared: SharedState, crashed: list[Job]
) -> Iterator[tuple[str, VideoResult | str] | None]:
    """See process_videos. Appends jobs without a result to ``crashed`` if a process crashes."""
    with WorkerPool(workers, _init_worker, shared) as pool:
        futures: dict[Future[VideoResult | str], Job] = {}
        try:
            try:
                for job in jobs:
                    futures[pool.submit(_process_video, job)] = job
            except BrokenProcessPool:
                crashed += jobs[len(futures) :]
            while futures and not shared.stop.is_set():
                done, _ = wait(futures, timeout=POLL_S, return_when=FIRST_COMPLETED)
                for future in done:
                    job = futures.pop(future)
                    try:
                        yield job.name, future.result()
                    except BrokenProcessPool:
                        crashed.append(job)
                yield None
        finally:
            if futures:  # stopped, or an error that is not one of a video
                shared.stop.set()
                pool.shutdown(wait=True, cancel_futures=True)


def _init_worker(shared: SharedState) -> None:
    global _shared
    _shared = shared
    cv2.setNumThreads(1)


def _process_video(job: Job) -> VideoResult | str:
    shared = _shared
    assert shared is not None

    def on_frame() -> None:
        if shared.stop.is_set():
            raise StopRequested
        with shared.frames.get_lock():
            shared.frames.value += 1

    estimators = job.estimators.open()
    try:
        return estimate_video(job.video, job.out, estimators, job.follow, job.fps, on_frame)
    except (SourceError, DataError) as error:
        return error.what
    except cv2.error as error:
        return f"OpenCV cannot read it: {error.err}"
    finally:
        for estimator in estimators:
            estimator.close()
