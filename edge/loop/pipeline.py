"""From the first frame to the last: capture, pose and action overlap, each on a thread of its own."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import count

from edge.capture.source import Source
from edge.contract.errors import SkdError, StageError
from edge.contract.types import Event, Frame, FrameResult, PoseResult
from edge.latency import CAPTURE, DECISION, POSE, RECOGNISE, TRACK, WAITING, LatencyHistory
from edge.loop.action_stage import ActionStage
from edge.loop.outcome import Limits, RunOutcome
from edge.loop.pose_stage import PoseStage
from edge.loop.queues import BoundedQueue, LatestQueue, QueueClosed
from edge.loop.stage_watchdog import StageWatchdog
from edge.sinks.sink_worker import SinkWorker
from edge.sinks.sink_workers import SinkWorkers

STOP_TIMEOUT_S = 8.0
"""A stage that has not ended so long after it was told to hangs in a driver, and is left behind."""

STAGE_TIMEOUT_S, WATCHDOG_INTERVAL_S = 300.0, 1.0
"""So does one that is at a single frame for so long, which is looked for so often: a GPU that hangs never answers."""

SWITCH_INTERVAL_S = 0.0005
"""A thread that waits for the interpreter gets it after so long. By Python's own five milliseconds the pose stage,
which is back from its network a dozen times a frame, would wait for whatever the others are at."""

QUEUE_CAPACITY = 1
"""Items of a recording that may wait between stages, so that none waits for a thread to wake; two gain nothing
(benchmarks/loop.md). Of a live source nothing may: what waits grows old."""


@dataclass(frozen=True)
class CapturedFrame:
    """A frame, when it could be had by ``time.perf_counter``, and the milliseconds it took to get."""

    frame: Frame
    at: float
    capture_ms: float


class Pipeline:
    """Runs a source through pose and action stage into sinks.

    The stage that is slowest sets the pace of a recording, of which nothing is dropped. Of a live source the
    pose stage takes the newest frame; nothing else waits longer than the stage after it takes for one frame.
    on_result: called with each result, on the action stage's thread. accept: raises what makes the outcome of a
    run that reached its end worthless. warn: told, in words, what happens to the source.
    """

    def __init__(
        self,
        source: Source,
        pose: PoseStage,
        action: ActionStage,
        sinks: Sequence[SinkWorker],
        history: LatencyHistory,
        *,
        limits: Limits,
        on_result: Callable[[FrameResult], None] = lambda result: None,
        accept: Callable[[RunOutcome], None] = lambda outcome: None,
        warn: Callable[[str], None] = lambda text: None,
    ) -> None:
        self._source, self._pose, self._action = source, pose, action
        self._sinks = SinkWorkers(sinks, live=source.live)
        self._history, self._limits, self._on_result = history, limits, on_result
        self._frames: BoundedQueue[CapturedFrame] = LatestQueue() if source.live else BoundedQueue(QUEUE_CAPACITY)
        self._pose_results: BoundedQueue[tuple[CapturedFrame, PoseResult]] = BoundedQueue(
            0 if source.live else QUEUE_CAPACITY
        )
        self._stopping, self._done = threading.Event(), threading.Event()
        self._accept, self._warn = accept, warn
        self._error: BaseException | None = None
        self._events_lock, self._outcome = threading.Lock(), RunOutcome()
        self._watchdog, self._is_hanging = StageWatchdog(), False

    def stop(self) -> None:
        """No new frames; those under way are finished, and sinks get them. From any thread, at any time."""
        self._stopping.set()
        self._source.cancel()
        # A source that hangs in its driver must not be waited for.
        self._frames.close()

    def run(self) -> RunOutcome:
        """Until the source ends, a limit is reached, a sink has had enough, or :meth:`stop`.

        Of a recording raises what sinks raise, what a stage raises that no restart helps, what ``accept`` raises,
        and the source's error; sinks then keep nothing. A stage that keeps failing ends the run too, but what was
        found until then is whole: see ``RunOutcome.ended_by``. So it is of a camera whatever a user can mend, and
        sinks keep what they have at a mistake of our own too, which is raised. Stopped before the first frame,
        sinks keep nothing.
        """
        before_s = sys.getswitchinterval()
        sys.setswitchinterval(SWITCH_INTERVAL_S)
        try:
            return self._run()
        finally:
            sys.setswitchinterval(before_s)

    def _run(self) -> RunOutcome:
        self._source.on_event = self._emit
        self._sinks.open(self.stop)
        start = time.perf_counter()
        watch = threading.Thread(target=self._watch, name="watch", daemon=True)
        stages = [
            threading.Thread(target=self._work, args=work, name=work[0], daemon=True)
            for work in (
                ("capture", self._capture, self._frames.close),
                ("pose", self._see, self._pose_results.close),
                ("action", self._act, self._finish),
            )
        ]
        try:
            self._start([watch, *stages])
            self._sinks.run_on_main_thread()
            self._done.wait()
        except KeyboardInterrupt:
            # A second Ctrl-C, because something does not answer. What there is, is whole.
            self.stop()
        self._done.set()
        self._sinks.close(self._is_worthless)
        hanging = self._sinks.join()
        deadline = time.monotonic() + (WATCHDOG_INTERVAL_S if self._is_hanging else STOP_TIMEOUT_S)
        for thread in stages:
            if thread.ident is not None:
                thread.join(max(deadline - time.monotonic(), 0.0))
        self._outcome.hanging = (*hanging, *(thread.name for thread in stages if thread.is_alive()))
        self._outcome.seconds = time.perf_counter() - start
        if isinstance(self._frames, LatestQueue):
            self._outcome.dropped = self._frames.dropped
        self._outcome.dropped_by_sink = self._sinks.dropped_by_sink
        self._outcome.unwritten = self._sinks.unwritten
        return self._concluded()

    def _start(self, threads: Sequence[threading.Thread]) -> None:
        """In order; where the system has none for one of them, the run is over before it has begun."""
        try:
            for thread in threads:
                thread.start()
        except RuntimeError as error:
            self._error = error
            self.stop()
            self._finish()

    def _watch(self) -> None:
        while not self._done.wait(WATCHDOG_INTERVAL_S):
            is_stopping = self._stopping.is_set()
            most_s = STOP_TIMEOUT_S if is_stopping else STAGE_TIMEOUT_S
            hanging = self._watchdog.check(most_s / WATCHDOG_INTERVAL_S)
            if not hanging:
                continue
            self._is_hanging = True
            if not is_stopping:
                what = f"the {hanging[0]} stage has been at one frame for {most_s:g} s"
                hint = "it hangs in a driver, of which dmesg may tell more; start again"
                self._error = self._error or StageError(what, hint=hint)
            self.stop()
            self._pose_results.close()
            if not self._done.wait(WATCHDOG_INTERVAL_S):  # for it is the action stage that hangs
                self._sinks.close(self._is_worthless)
                self._done.set()

    def _concluded(self) -> RunOutcome:
        error = self._first_error()
        # Nothing may be closed under a stage that hangs, so that whoever closes must hear of it first.
        is_told = self._is_hanging and isinstance(error, StageError)
        if error is not None and not is_told and not (isinstance(error, SkdError) and self._is_kept_despite(error)):
            raise error
        self._outcome.ended_by = error if isinstance(error, SkdError) else None
        return self._outcome

    def _first_error(self) -> BaseException | None:
        return self._error or self._sinks.error

    def _is_kept_despite(self, error: BaseException) -> bool:
        """Whether sinks keep what was found until then. A recording can be run again, a camera not asked again."""
        return bool(self._outcome.frames) and (self._source.live or isinstance(error, StageError))

    def _is_worthless(self) -> bool:
        """Whether sinks are to keep nothing, as the run stands."""
        error = self._first_error()
        stopped_before_any = self._stopping.is_set() and not self._outcome.frames
        return stopped_before_any or (error is not None and not self._is_kept_despite(error))

    def _work(self, name: str, stage: Callable[[], None], afterwards: Callable[[], None]) -> None:
        try:
            with suppress(QueueClosed):
                stage()
        except BaseException as error:  # noqa: BLE001 raised again by run(), on the thread that waits there
            self._error = self._error or error
            self.stop()
        finally:
            afterwards()

    def _capture(self) -> None:
        frames, numbers, limit_s = iter(self._source), count(1), self._limits.seconds
        with self._limits.kept(self._source):
            while not self._stopping.is_set():
                start = time.perf_counter()
                frame = next(frames, None)
                now = time.perf_counter()
                if frame is None or (limit_s is not None and frame.time_s > limit_s):
                    return
                self._pose_results.notify()
                self._frames.put(CapturedFrame(frame, now, 1000 * (now - start)))
                if next(numbers) == self._limits.frames and not self._source.live:
                    return

    def _see(self) -> None:
        for looked_at, taken in enumerate(self._frames, 1):
            with self._watchdog.running("pose"):
                seen = self._pose.estimate(taken.frame)
            # With a next frame at hand the action stage would wake to take the interpreter from this thread just when
            # it prepares what its network is shown. It is inside the network when the capture stage has one more.
            is_next_at_hand = not self._source.live and self._frames.has_items
            self._pose_results.put((taken, seen), notify=not is_next_at_hand)
            if looked_at == self._limits.frames:
                # A camera would give more, and frames that nobody wants would count as dropped.
                self._source.cancel()
                self._frames.abort()
                return

    def _act(self) -> None:
        for taken, seen in self._pose_results:
            with self._watchdog.running("action"):
                result = self._action.process(seen)
            age_ms = 1000 * (time.perf_counter() - taken.at)
            busy_ms = sum(result.latency_ms.get(stage, 0.0) for stage in (POSE, TRACK, RECOGNISE))
            latency_ms = {CAPTURE: taken.capture_ms, **result.latency_ms}
            latency_ms |= {WAITING: age_ms - busy_ms, DECISION: age_ms}
            self._hand_on(replace(result, latency_ms=latency_ms))

    def _hand_on(self, result: FrameResult) -> None:
        outcome = self._outcome
        self._history.add(outcome.frames, result.latency_ms)
        self._sinks.put(outcome.frames, result)
        outcome.frames += 1
        outcome.with_poses += bool(result.poses)
        outcome.failed += result.failure is not None
        self._count_events(len(result.events))
        outcome.times.add(result)
        self._on_result(result)

    def _finish(self) -> None:
        """The action stage has ended: so has whatever had begun. Whoever still gives is told to stop."""
        self._pose_results.abort()
        self._frames.abort()
        try:
            for event in self._action.finish():
                self._emit(event)
            if self._error is None and not self._stopping.is_set():
                self._accept(self._outcome)
        except BaseException as error:  # noqa: BLE001 raised again by run(), which would otherwise wait for ever
            self._error = self._error or error
        self._sinks.close(self._is_worthless)
        self._done.set()

    def _emit(self, event: Event) -> None:
        self._count_events(1)
        if event.text is not None:
            self._warn(event.text)
        self._sinks.put_event(event)

    def _count_events(self, events: int) -> None:
        # The source tells of what happens to it on a thread of its own.
        with self._events_lock:
            self._outcome.events += events
