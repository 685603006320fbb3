"""Run each sink behind a queue, on its own thread, so that a slow consumer cannot stall the loop."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from edge.contract.errors import OutputError
from edge.contract.types import Event, FrameResult
from edge.drawing.overlay import Overlay
from edge.latency import DRAW, LatencyHistory, timed
from edge.sinks.sink import StopRequested

MAX_EVENTS = 10_000
"""Events queued for a sink that blocks; far more than a day brings."""

CLOSE_TIMEOUT_S = 5.0
"""A sink that makes no progress for this long after the end of the run is abandoned."""
LOSSLESS_CLOSE_TIMEOUT_S = 60.0
"""The same for a lossless sink: a codec may have many frames left, and an 8K frame takes seconds."""

IDLE_INTERVAL_S = 0.1
"""How often ``SinkOptions.idle`` is called."""

SinkKind = Literal["results", "events"]

_NO_IMAGE = np.zeros((0, 0, 3), np.uint8)


class _RunFailed(Exception):
    """Thrown into a sink's context manager so that it discards its file."""


@dataclass(frozen=True)
class SinkOptions:
    """What a sink receives, and how.

    kind: "results", one per frame, or "events".
    images: results carry the frame's image; without it they carry an empty one.
    annotated: the sink renders every result, so drawing is timed separately.
    lossless: the loop waits for room in the queue; otherwise the oldest results are dropped.
    idle: called at intervals while there are no results, as with a lost camera; raises what the sink may raise.
    """

    kind: SinkKind = "results"
    images: bool = False
    annotated: bool = False
    lossless: bool = False
    idle: Callable[[], None] | None = None

    @property
    def depth(self) -> int:
        """Queue length. An image takes megabytes, a result without one a few kilobytes."""
        if self.kind == "events":
            return MAX_EVENTS
        return (4 if self.lossless else 1) if self.images else 512


class SinkWorker:
    """A sink with its queue and worker thread.

    context: yields the sink, a function of results or of events. It is entered and left on the worker's thread.
    history: receives the sink's latency. on_stop: called when the sink fails or requests the end of the run.
    dropped: results dropped for newer ones, which carry their events on; or events dropped.
    error: what the sink raised; after that it receives nothing.
    """

    def __init__(
        self,
        name: str,
        context: AbstractContextManager[Callable[[Any], object]],
        options: SinkOptions,
        overlay: Overlay,
        history: LatencyHistory,
    ) -> None:
        self.name, self.options = name, options
        self._context, self._overlay, self._history = context, overlay, history
        self.on_stop: Callable[[], None] = lambda: None
        self._queue: deque[tuple[int, FrameResult | Event]] = deque()
        self._changed = threading.Condition()
        self._ready = self._closed = self._finished = self._failed_run = False
        self.dropped = self._taken = 0
        self.error: Exception | None = None
        self._thread = threading.Thread(target=self._run, name=f"output {name}", daemon=True)

    def open(self) -> None:
        """Start the thread and wait until the sink is open. Raises what opening raises."""
        try:
            self._thread.start()
        except RuntimeError:
            self._finished = True  # the system has no thread left, so there is nothing to join
            raise
        with self._changed:
            is_open = self._changed.wait_for(lambda: self._ready or self._finished, LOSSLESS_CLOSE_TIMEOUT_S)
        if not is_open:
            raise OutputError(f"output {self.name} cannot be opened: the disk or device does not respond")
        if self.error is not None:
            raise self.error

    def put(self, frame: int, result: FrameResult) -> None:
        """Queue the result of the run's n-th frame. Blocks while the queue of a lossless sink is full and open."""
        if self.options.kind == "events":
            for event in result.events:
                self.put_event(event)
            return
        if not self.options.images:
            result = replace(result, frame=replace(result.frame, image=_NO_IMAGE))
        with self._changed:
            if self.options.lossless:
                self._changed.wait_for(lambda: self._closed or len(self._queue) < self.options.depth)
            if self._closed:
                return
            if len(self._queue) >= self.options.depth:
                _, oldest = self._queue.popleft()
                self.dropped += 1
                # Images may be dropped; events move on to the next result, up to a bound.
                events = (*oldest.events, *result.events)[-MAX_EVENTS:]  # type: ignore[union-attr]
                result = replace(result, events=events)
            self._append(frame, result)

    def put_event(self, event: Event) -> None:
        """Queue an event that belongs to no frame. Never blocks."""
        with self._changed:
            if self.options.kind == "events":
                if len(self._queue) < self.options.depth:
                    self._append(-1, event)
                else:
                    self.dropped += 1

    def close(self, *, failed: bool) -> None:
        """End the queue. failed: the sink discards what it has written."""
        with self._changed:
            self._closed, self._failed_run = True, failed
            self._changed.notify_all()

    def join(self) -> bool:
        """Wait until the queue is empty and the sink closed. False if it hangs; it is then abandoned."""
        taken, deadline = -1, 0.0
        timeout_s = LOSSLESS_CLOSE_TIMEOUT_S if self.options.lossless else CLOSE_TIMEOUT_S
        with self._changed:
            while not self._finished:
                if taken != self._taken:  # progress restarts the timeout
                    taken, deadline = self._taken, time.monotonic() + timeout_s
                remaining_s = deadline - time.monotonic()
                if remaining_s <= 0:
                    return False
                self._changed.wait(remaining_s)
        return True

    def _run(self) -> None:
        """Feed the sink from the queue until it is closed: the body of the worker thread."""
        try:
            with suppress(_RunFailed), self._context as sink:
                with self._changed:
                    self._ready = True
                    self._changed.notify_all()
                while (item := self._get()) is not None:
                    self._deliver(sink, *item)
                if self._failed_run:
                    raise _RunFailed
        except StopRequested:
            self.on_stop()
        except Exception as error:  # noqa: BLE001 raised again by open(), or by the pipeline
            self.error = error
            self.on_stop()
        finally:
            with self._changed:
                self._finished = True
                self._queue.clear()
                self._changed.notify_all()

    def _append(self, frame: int, item: FrameResult | Event) -> None:
        if not self._finished:
            self._queue.append((frame, item))
            self._changed.notify_all()

    def _get(self) -> tuple[int, FrameResult | Event] | None:
        with self._changed:
            idle = self.options.idle
            while not self._changed.wait_for(lambda: self._queue or self._closed, IDLE_INTERVAL_S if idle else None):
                idle()  # type: ignore[misc]
            if not self._queue:
                return None
            item = self._queue.popleft()
            self._taken += 1
            self._changed.notify_all()
            return item

    def _deliver(self, sink: Callable[[Any], object], frame: int, item: FrameResult | Event) -> None:
        if isinstance(item, Event):
            sink(item)
            return
        latency_ms: dict[str, float] = {}
        if self.options.annotated:
            # Timed apart from writing. The first sink that needs the image draws it.
            start = time.perf_counter()
            if self._overlay.draw(item):
                latency_ms[DRAW] = 1000 * (time.perf_counter() - start)
        with timed(latency_ms, self.name):
            sink(item)
        self._history.add(frame, latency_ms)


def dropped_by_sink(workers: Sequence[SinkWorker]) -> dict[str, int]:
    """Sink name -> results and events dropped because it was too slow. Sinks that dropped none are left out."""
    return {worker.name: worker.dropped for worker in workers if worker.dropped}
