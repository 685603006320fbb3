"""Limits of a run, and its outcome."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import NoReturn

from edge.capture.source import Source
from edge.cli.console import console
from edge.cli.leftover_threads import exit_now
from edge.contract.errors import SkdError
from edge.contract.types import FrameResult
from edge.loop.action_times import ActionTimes


@dataclass(frozen=True)
class Limits:
    """frames: most frames to process. seconds: most seconds of the source. None: no limit."""

    frames: int | None = None
    seconds: float | None = None

    def total(self, source: Source) -> int | None:
        """Number of frames that will be processed, None if unknown."""
        known = [n for n in (source.length_frames, self.frames) if n is not None]
        if self.seconds is not None and not source.live:
            known.append(round(min(self.seconds, threading.TIMEOUT_MAX) * source.fps))
        return min(known) if known else None

    @contextmanager
    def enforced(self, source: Source) -> Iterator[None]:
        """Cancel a live source when its time is up: while it is lost, no frame carries a time to compare."""
        if self.seconds is None or not source.live:
            yield
            return
        timer = threading.Timer(min(self.seconds, threading.TIMEOUT_MAX), source.cancel)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()


@dataclass
class RunOutcome:
    """frames: processed. seconds: wall time. with_poses: frames with bodies. failed: frames in which a stage failed.

    dropped: frames of a live source that were dropped for newer ones.
    dropped_by_sink: see :func:`edge.sinks.sink_worker.dropped_by_sink`. events: events published.
    times: seconds per person and action. ended_by: the error that ended the run early; results up to it are complete.
    hanging_stages, hanging_sinks: did not end. While a stage hangs, nothing that it uses may be closed: see
    :meth:`exit_at_once`. unwritten: sinks whose files were discarded.
    """

    frames: int = 0
    seconds: float = 0.0
    with_poses: int = 0
    failed: int = 0
    dropped: int = 0
    dropped_by_sink: dict[str, int] = field(default_factory=dict)
    events: int = 0
    times: ActionTimes = field(default_factory=ActionTimes)
    ended_by: SkdError | None = None
    hanging_stages: tuple[str, ...] = ()
    hanging_sinks: tuple[str, ...] = ()
    unwritten: tuple[str, ...] = ()

    @property
    def frames_per_s(self) -> float:
        """Over the whole run."""
        return self.frames / self.seconds

    @property
    def hanging(self) -> tuple[str, ...]:
        return (*self.hanging_sinks, *self.hanging_stages)

    def add(self, result: FrameResult) -> None:
        self.frames += 1
        self.with_poses += bool(result.poses)
        self.failed += result.failure is not None
        self.times.add(result)

    def exit_at_once(self, exit_code: int, *last_lines: str) -> NoReturn:
        """Exit although threads hang; a normal exit would wait for them, or close what they use."""
        console.print(f"warning: abandoned, because it does not respond: {', '.join(self.hanging)}")
        for line in last_lines:
            console.print(line)
        exit_now(exit_code)
