"""How long a run may be, and what came of it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from edge.capture.source import Source
from edge.contract.errors import SkdError
from edge.loop.action_times import ActionTimes


@dataclass(frozen=True)
class Limits:
    """frames: how many are looked at, at most. seconds: of the source, at most. None for no limit."""

    frames: int | None = None
    seconds: float | None = None

    def total(self, source: Source) -> int | None:
        """How many frames there will be, None where nobody knows."""
        known = [n for n in (source.length_frames, self.frames) if n is not None]
        if self.seconds is not None and not source.live:
            known.append(round(self.seconds * source.fps))
        return min(known) if known else None

    @contextmanager
    def kept(self, source: Source) -> Iterator[None]:
        """Around taking frames: a camera is cancelled in time, for no frame of a lost one says how late it is."""
        if self.seconds is None or not source.live:
            yield
            return
        late = threading.Timer(min(self.seconds, threading.TIMEOUT_MAX), source.cancel)
        late.daemon = True
        late.start()
        try:
            yield
        finally:
            late.cancel()


@dataclass
class RunOutcome:
    """frames: turns of the loop. seconds: wall time. with_poses, failed: frames that showed bodies, or that failed.

    events: events that were handed on. dropped: frames of a live source that newer ones took the place of.
    dropped_by_sink: see :func:`edge.sinks.sink_worker.dropped_by_sink`.
    ended_by: why the run ended before its source did, although what was found until then is whole.
    hanging: threads that did not end. unwritten: sinks that failed, which keep nothing.
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
    hanging: tuple[str, ...] = ()
    unwritten: tuple[str, ...] = ()
