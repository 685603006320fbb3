"""Videos over several processes: stoppable at every picture, and no process outlives its parent."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing import connection
from multiprocessing.context import SpawnContext
from pathlib import Path
from typing import Any

import cv2

from edge.contract.errors import DataError, SourceError
from train.video_pairs.estimate import VideoResult, estimate_video
from train.video_pairs.follow import FollowConfig
from train.video_pairs.two_estimators import TwoEstimators

POLL_S = 0.2


@dataclass(frozen=True)
class Job:
    """A video to work on. name: as the manifest has it."""

    name: str
    video: Path
    out: Path
    estimators: TwoEstimators
    follow: FollowConfig
    fps: float | None


class StopRequested(Exception):
    """Raised inside a worker between two pictures, after the parent asked to stop."""


@dataclass
class SharedState:
    """What parent and workers share: whether to stop, and the pictures done so far."""

    stop: Any
    pictures: Any

    @classmethod
    def of(cls, context: SpawnContext) -> SharedState:
        return cls(context.Event(), context.Value("q", 0))


_shared: SharedState | None = None


def process_videos(
    jobs: Sequence[Job], workers: int, shared: SharedState
) -> Iterator[tuple[str, VideoResult | str] | None]:
    """Results by name as they come, an explanation where a video failed; None every POLL_S in between.

    Whatever is wrong with a video stays with that video, a crash of the process included. What is wrong with
    the disk or a network is raised. After ``shared.stop`` is set, what is under way ends between two pictures.
    """
    crashed = []
    for result in _run_pool(jobs, workers, shared):
        if result and isinstance(result[1], BrokenProcessPool):
            crashed.append(result[0])
        else:
            yield result  # type: ignore[misc]
    # A crash takes every video under way with it; each gets a process of its own to show whose fault it was.
    for name in crashed:
        if shared.stop.is_set():
            return
        for result in _run_pool([job for job in jobs if job.name == name], 1, shared):
            broken = result and isinstance(result[1], BrokenProcessPool)
            yield (name, "the process that read it crashed") if broken else result  # type: ignore[misc]


def _run_pool(
    jobs: Sequence[Job], workers: int, shared: SharedState
) -> Iterator[tuple[str, VideoResult | str | BrokenProcessPool] | None]:
    context = multiprocessing.get_context("spawn")  # forking a process with threads, as of a runtime, may hang it
    with ProcessPoolExecutor(workers, context, _init_worker, (shared,)) as pool:
        futures: dict[Future[VideoResult | str], str] = {}
        try:
            try:
                for job in jobs:
                    futures[pool.submit(_process_video, job)] = job.name
            except BrokenProcessPool as error:
                for job in jobs[len(futures) :]:
                    yield job.name, error
            while futures and not shared.stop.is_set():
                done, _ = wait(futures, timeout=POLL_S, return_when=FIRST_COMPLETED)
                for future in done:
                    name = futures.pop(future)
                    try:
                        yield name, future.result()
                    except BrokenProcessPool as error:
                        yield name, error
                yield None
        finally:
            if futures:  # stopped, or something is wrong that is no video's fault
                shared.stop.set()
                pool.shutdown(wait=True, cancel_futures=True)


def _init_worker(shared: SharedState) -> None:
    """In a new worker: the parent alone answers signals, and the worker goes where the parent does."""
    global _shared
    _shared = shared
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    cv2.setNumThreads(1)
    parent = multiprocessing.parent_process()
    assert parent is not None

    def follow_parent() -> None:
        connection.wait([parent.sentinel])
        os._exit(1)

    threading.Thread(target=follow_parent, daemon=True).start()


def _process_video(job: Job) -> VideoResult | str:
    shared = _shared
    assert shared is not None

    def each_frame() -> None:
        if shared.stop.is_set():
            raise StopRequested
        with shared.pictures.get_lock():
            shared.pictures.value += 1

    estimators = job.estimators.open()
    try:
        return estimate_video(job.video, job.out, estimators, job.follow, job.fps, each_frame)
    except (SourceError, DataError) as error:
        return error.what
    except cv2.error as error:
        return f"OpenCV cannot read it: {error.err}"
    finally:
        for estimator in estimators:
            estimator.close()
