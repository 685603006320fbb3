"""All sinks of a run: opened together or not at all, fed with everything, closed once."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from edge.contract.types import Event, FrameResult
from edge.sinks.sink_worker import SinkKind, SinkWorker, dropped_by_sink


class SinkWorkers:
    """Fan out results and events to every :class:`edge.sinks.sink_worker.SinkWorker`.

    live: stamp them with the wall clock, the same for all sinks. A recording's results carry none: its frames were
    taken at another time. events: published so far.
    """

    def __init__(self, workers: Sequence[SinkWorker], *, live: bool) -> None:
        self._workers, self._live = workers, live
        self._closed = self._discarded = False
        # The source emits its events on the capture thread.
        self._lock, self.events = threading.Lock(), 0

    def open(self, on_stop: Callable[[], None]) -> None:
        """Open all, in order. on_stop: called when one fails or requests the end of the run.

        Raises what opening one raises; those opened before it discard their files.
        """
        started: list[SinkWorker] = []
        try:
            for worker in self._workers:
                worker.on_stop = on_stop
                started.append(worker)
                worker.open()
        except BaseException:
            for worker in started:
                worker.close(failed=True)
            for worker in started:
                worker.join()
            raise

    def put(self, frame: int, result: FrameResult) -> None:
        """Queue the result of the run's n-th frame. Blocks while the queue of a lossless sink is full."""
        if self._live:
            now_s = _unix_s()
            events = tuple(replace(event, unix_s=now_s) for event in result.events)
            result = replace(result, events=events, unix_s=now_s)
        events_count = len(result.events)
        with self._lock:
            self.events += events_count
        for worker in self._workers:
            worker.put(frame, result)

    def put_event(self, event: Event) -> None:
        """Queue an event that belongs to no frame, unless the queues have ended. Never blocks."""
        if self._live:
            event = replace(event, unix_s=_unix_s())
        with self._lock:
            if not self._closed:
                self.events += 1
                for worker in self._workers:
                    worker.put_event(event)

    def close(self, failed: Callable[[], bool]) -> None:
        """End all queues, once, from any thread. failed: asked once whether sinks discard what they have written."""
        with self._lock:
            if not self._closed:
                self._closed, self._discarded = True, failed()
                for worker in self._workers:
                    worker.close(failed=self._discarded)

    def join(self, kind: SinkKind) -> list[str]:
        """Wait until those of a kind are closed. Returns the names of those that hang."""
        return [worker.name for worker in self._workers if worker.options.kind == kind and not worker.join()]

    @property
    def error(self) -> Exception | None:
        """What the first sink that failed raised."""
        return next((worker.error for worker in self._workers if worker.error is not None), None)

    @property
    def unwritten(self) -> tuple[str, ...]:
        """Names of the sinks that failed or discarded what they have written."""
        return tuple(worker.name for worker in self._workers if self._discarded or worker.error is not None)

    @property
    def dropped_by_sink(self) -> dict[str, int]:
        """See :func:`edge.sinks.sink_worker.dropped_by_sink`."""
        return dropped_by_sink(self._workers)


def _unix_s() -> float:
    return round(time.time(), 3)
