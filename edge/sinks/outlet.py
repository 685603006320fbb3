"""Each output on a thread of its own: a slow or dead consumer slows nobody else."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from edge.contract.types import Event, FrameResult
from edge.drawing.overlay import Overlay
from edge.latency import DRAW, LatencyHistory, timed
from edge.sinks.sink import Enough

MAX_EVENTS = 10_000
"""Events that are kept for an output that takes nothing; far more than there are in a day."""

CLOSING_S = 5.0
"""An output that has not finished so long after the run's end is left behind, ..."""
PATIENT_CLOSING_S = 60.0
"""... and one that the loop waits for: a codec may have many frames left, an 8K frame take seconds."""

_NO_IMAGE = np.zeros((0, 0, 3), np.uint8)


class _Abandoned(Exception):
    """Thrown into a sink's context at a run's failure, so that it leaves no file."""


@dataclass(frozen=True)
class Terms:
    """What an output is given.

    kind: "results", one a frame, or "events". images: it shows them; others are given results without.
    annotated: it shows all of them drawn on. patient: nothing is dropped, the loop waits for it; otherwise the
    oldest results make room. here: it runs on the thread that runs the pipeline, as windows must.
    """

    kind: Literal["results", "events"] = "results"
    images: bool = False
    annotated: bool = False
    patient: bool = False
    here: bool = False

    @property
    def depth(self) -> int:
        """Items that may wait. An image takes megabytes, a result without one a few kilobytes."""
        if self.kind == "events":
            return MAX_EVENTS
        return (4 if self.patient else 1) if self.images else 512


class Outlet:
    """A sink, what waits for it, and the thread that hands it on.

    opened: gives the sink, a function of results or of events; it is entered and left on the outlet's thread, which for
    an outlet that runs here is the one that calls :meth:`open` and :meth:`work`.
    history: told how long the sink takes. on_end: called when the sink fails or asks for the run's end.
    dropped: results that made room for newer ones; their events were handed on with those.
    error: what the sink raised; it is given nothing more after it.
    """

    def __init__(
        self,
        name: str,
        opened: AbstractContextManager[Callable[[Any], object]],
        terms: Terms,
        overlay: Overlay,
        history: LatencyHistory,
    ) -> None:
        self.name, self.terms = name, terms
        self._opened, self._entered, self._overlay, self._history = opened, ExitStack(), overlay, history
        self._sink: Callable[[Any], object]
        self.on_end: Callable[[], None] = lambda: None
        self._waiting: deque[tuple[int, FrameResult | Event]] = deque()
        self._changed = threading.Condition()
        self._ready = self._ended = self._finished = self._failed_run = False
        self.dropped, self.handed_on = 0, 0
        self.error: Exception | None = None
        self._thread = threading.Thread(target=self.work, name=f"output {name}", daemon=True)

    def open(self) -> None:
        """Wait until the sink is open, on a thread that is started unless it runs here. Raises what opening raises."""
        if self.terms.here:
            self._enter()
            return
        try:
            self._thread.start()
        except RuntimeError:
            self._finished = True  # the system has no thread for it, so that it need not be waited for
            raise
        with self._changed:
            self._changed.wait_for(lambda: self._ready or self._finished)
        if self.error is not None:
            raise self.error

    def put(self, frame: int, result: FrameResult) -> None:
        """Hand on the result of the run's n-th frame; waits for room where nothing may be dropped."""
        if self.terms.kind == "events":
            for event in result.events:
                self.tell(event)
            return
        if not self.terms.images:
            result = replace(result, frame=replace(result.frame, image=_NO_IMAGE))
        with self._changed:
            if self.terms.patient:
                self._changed.wait_for(lambda: self._finished or len(self._waiting) < self.terms.depth)
            while len(self._waiting) >= self.terms.depth:
                _, oldest = self._waiting.popleft()
                self.dropped += 1
                # Images may be lost, what began or ended may not, as long as somebody can be expected to come for it.
                events = (*oldest.events, *result.events)[-MAX_EVENTS:]  # type: ignore[union-attr]
                result = replace(result, events=events)
            self._append(frame, result)

    def tell(self, event: Event) -> None:
        """Hand on an event that comes with no frame; never waits."""
        with self._changed:
            if self.terms.kind == "events":
                if len(self._waiting) < self.terms.depth:
                    self._append(-1, event)
                else:
                    self.dropped += 1

    def end(self, *, failed: bool) -> None:
        """Nothing more comes. failed: what was written is not to be kept."""
        with self._changed:
            self._ended, self._failed_run = True, failed
            self._changed.notify_all()

    def join(self) -> bool:
        """Wait until the sink has everything and is closed; False where it hangs, and is left behind."""
        handed_on, deadline, closing_s = -1, 0.0, PATIENT_CLOSING_S if self.terms.patient else CLOSING_S
        with self._changed:
            while not self._finished:
                if handed_on != self.handed_on:  # it goes on, so it is given more time
                    handed_on, deadline = self.handed_on, time.monotonic() + closing_s
                remaining_s = deadline - time.monotonic()
                if remaining_s <= 0:
                    return False
                self._changed.wait(remaining_s)
        return True

    def work(self) -> None:
        """What the outlet's thread does; of one that runs here, once it is open or its run has failed."""
        asked_to_end = False
        try:
            with self._entered:
                if not self.terms.here:
                    self._enter()
                while (item := self._next()) is not None:
                    self._hand_on(*item)
                if self._failed_run:
                    raise _Abandoned
        except _Abandoned:
            pass
        except Enough:
            asked_to_end = True
        except Exception as error:  # noqa: BLE001 whoever opened the outlet, or runs the pipeline, raises it again
            self.error = error
        finally:
            # Also where a second Ctrl-C comes out of a window: nobody need wait for it.
            with self._changed:
                self._finished = True
                self._waiting.clear()
                self._changed.notify_all()
        if asked_to_end or self.error is not None:
            self.on_end()

    def _enter(self) -> None:
        self._sink = self._entered.enter_context(self._opened)
        with self._changed:
            self._ready = True
            self._changed.notify_all()

    def _append(self, frame: int, item: FrameResult | Event) -> None:
        if not self._finished:
            self._waiting.append((frame, item))
            self._changed.notify_all()

    def _next(self) -> tuple[int, FrameResult | Event] | None:
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._ended)
            if not self._waiting or self._failed_run:
                return None
            item = self._waiting.popleft()
            self.handed_on += 1
            self._changed.notify_all()
            return item

    def _hand_on(self, frame: int, item: FrameResult | Event) -> None:
        if isinstance(item, Event):
            self._sink(item)
            return
        latency_ms: dict[str, float] = {}
        if self.terms.annotated:
            # In a row of its own, so that figures tell drawing from writing; whoever comes first draws.
            start = time.perf_counter()
            if self._overlay.draw(item):
                latency_ms[DRAW] = 1000 * (time.perf_counter() - start)
        with timed(latency_ms, self.name):
            self._sink(item)
        self._history.add(frame, latency_ms)


def given_up(outlets: Sequence[Outlet]) -> dict[str, int]:
    """Name of an outlet -> results and events that it was not given, because it was too slow; where there are any."""
    return {outlet.name: outlet.dropped for outlet in outlets if outlet.dropped}
