"""The loop: capture, pose and action stage, each on its own thread, joined by queues."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from itertools import count

from edge.capture.source import Source
from edge.contract.errors import SkdError, StageError
from edge.contract.types import Event, FrameResult, PoseResult
from edge.latency import LatencyHistory
from edge.loop.action_stage import ActionStage
from edge.loop.captured_frame import CapturedFrame
from edge.loop.outcome import Limits, RunOutcome
from edge.loop.pose_stage import PoseStage
from edge.loop.queues import BoundedQueue, LatestQueue, QueueClosed
from edge.loop.stage_watchdog import CHECK_INTERVAL_S, StageWatchdog
from edge.sinks.sink_worker import SinkWorker
from edge.sinks.sink_workers import SinkWorkers

SWITCH_INTERVAL_S = 0.0005
"""For ``sys.setswitchinterval``. The pose stage re-acquires the GIL a dozen times a frame, each time its network
returns; with Python's default of 5 ms it would wait for the other threads each time."""

QUEUE_CAPACITY = 1
"""Items that may wait between stages, for a recording: no stage waits for a thread to wake up. Two gain nothing
(benchmarks/loop.md). For a live source no item waits: it would age."""


class Pipeline:
    """Run a source through the pose and the action stage into sinks.

    The slowest stage sets the pace of a recording, and no frame is dropped. With a live source the pose stage takes
    the latest frame; after that no frame waits for longer than the next stage takes for one.
    on_result: called with each result, on the action stage's thread. validate: called after the last frame unless the
    run failed or was stopped; what it raises makes the run fail. warn: receives the texts of the source's events.
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
        validate: Callable[[RunOutcome], None] = lambda outcome: None,
        warn: Callable[[str], None] = lambda text: None,
    ) -> None:
        self._source, self._pose, self._action = source, pose, action
        self._sinks = SinkWorkers(sinks, live=source.live)
        self._history, self._limits = history, limits
        self._on_result, self._validate, self._warn = on_result, validate, warn
        self._frames: BoundedQueue[CapturedFrame] = LatestQueue() if source.live else BoundedQueue(QUEUE_CAPACITY)
        self._pose_results: BoundedQueue[tuple[CapturedFrame, PoseResult]] = BoundedQueue(
            0 if source.live else QUEUE_CAPACITY
        )
        self._stopping, self._done = threading.Event(), threading.Event()
        self._error: BaseException | None = None
        self._outcome = RunOutcome()
        self._watchdog = StageWatchdog()

    def stop(self) -> None:
        """Read no more frames; those already read are processed and reach the sinks. From any thread, at any time."""
        self._stopping.set()
        self._source.cancel()
        # A source may hang in its driver; the stages after it must end all the same.
        self._frames.close()

    def run(self) -> RunOutcome:
        """Run until the source ends, a limit is reached, a sink requests the end, or :meth:`stop`.

        An error that ends the run is raised, and sinks discard their files. They keep them, and the error is returned
        as ``RunOutcome.ended_by``, if frames were processed and a stage failed too often or the source is live: a
        camera cannot be run again. Errors other than SkdError are always raised. If stopped before the first frame,
        sinks discard their files.
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
        watch = (self._stopping, self._done, self._abandon)
        watchdog = threading.Thread(target=self._watchdog.watch, args=watch, name="watchdog", daemon=True)
        stages = [
            threading.Thread(target=self._run_stage, args=(loop, at_end), name=name, daemon=True)
            for name, loop, at_end in (
                ("capture", self._capture, self._frames.close),
                ("pose", self._estimate_poses, self._pose_results.close),
                ("action", self._recognise_actions, self._finish),
            )
        ]
        try:
            self._start([watchdog, *stages])
            # Python keeps a signal until this thread wakes, and one that comes as the wait begins, or that the kernel
            # gives to another thread, does not wake it.
            while not self._done.wait(CHECK_INTERVAL_S):
                pass
        except KeyboardInterrupt as error:  # in a program that does not handle it
            self._fail(error)
        self._end()
        outcome = self._outcome
        hanging = self._sinks.join("results")
        outcome.seconds = time.perf_counter() - start
        # No frame waits for the last events; a broker that cannot be reached takes seconds to close.
        outcome.hanging_sinks = (*hanging, *self._sinks.join("events"))
        outcome.hanging_stages = tuple(self._watchdog.join(stages))
        if isinstance(self._frames, LatestQueue):
            outcome.dropped = self._frames.dropped
        outcome.events = self._sinks.events
        outcome.dropped_by_sink = self._sinks.dropped_by_sink
        outcome.unwritten = self._sinks.unwritten
        outcome.ended_by = self._reported_error()
        return outcome

    def _start(self, threads: Sequence[threading.Thread]) -> None:
        """Start the threads in order. If the system has none left, the run ends with that error."""
        try:
            for thread in threads:
                thread.start()
        except RuntimeError as error:
            self._fail(error)
            self._finish()

    def _run_stage(self, loop: Callable[[], None], at_end: Callable[[], None]) -> None:
        try:
            with suppress(QueueClosed):
                loop()
        except BaseException as error:  # noqa: BLE001 run() raises it, on the thread that waits there
            self._fail(error)
        finally:
            at_end()

    def _capture(self) -> None:
        frames, numbers, limit_s = iter(self._source), count(1), self._limits.seconds
        with self._limits.enforced(self._source):
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

    def _estimate_poses(self) -> None:
        for number, captured in enumerate(self._frames, 1):
            with self._watchdog.running("pose"):
                pose_result = self._pose.estimate(captured.frame)
            # If the next frame is waiting, the action stage would wake up and compete for the GIL while this thread
            # prepares the network's input. _capture wakes it once it has read another frame; by then this thread is
            # inside the network.
            is_next_waiting = not self._source.live and self._frames.has_items
            self._pose_results.put((captured, pose_result), notify=not is_next_waiting)
            if number == self._limits.frames:
                # A camera would go on, and frames after the limit would count as dropped.
                self._source.cancel()
                self._frames.abort()
                return

    def _recognise_actions(self) -> None:
        for captured, pose_result in self._pose_results:
            with self._watchdog.running("action"):
                result = captured.timed(self._action.process(pose_result))
            # A lossless output may hang, for instance on a disk that does not respond.
            with self._watchdog.running("output"):
                self._publish(result)

    def _publish(self, result: FrameResult) -> None:
        number = self._outcome.frames
        self._history.add(number, result.latency_ms)
        self._sinks.put(number, result)
        self._outcome.add(result)
        self._on_result(result)

    def _emit(self, event: Event) -> None:
        """Publish an event that belongs to no frame."""
        if event.text is not None:
            self._warn(event.text)
        self._sinks.put_event(event)

    def _finish(self) -> None:
        """End the run after the action stage: free the pose stage, end people and actions, close the sinks."""
        self._pose_results.abort()
        try:
            for event in self._action.finish():
                self._emit(event)
            if self._error is None and not self._stopping.is_set():
                self._validate(self._outcome)
        except BaseException as error:  # noqa: BLE001 run() raises it; without _end() it would wait for ever
            self._fail(error)
        self._end()

    def _abandon(self, stage: str, timeout_s: float) -> None:
        """End the run without a stage that hangs."""
        if not self._stopping.is_set():
            hint = "its driver probably hangs; check dmesg, then start again"
            self._fail(StageError(f"the {stage} stage has been processing one frame for {timeout_s:g} s", hint=hint))
        self.stop()
        self._pose_results.close()
        # If it is the action stage that hangs, _finish is never reached.
        if not self._done.wait(CHECK_INTERVAL_S):
            self._end()

    def _fail(self, error: BaseException) -> None:
        """Stop with an error; the first one counts."""
        self._error = self._error or error
        self.stop()

    def _end(self) -> None:
        self._sinks.close(self._discards_files)
        self._done.set()

    def _first_error(self) -> BaseException | None:
        return self._error or self._sinks.error

    def _discards_files(self) -> bool:
        """Whether sinks discard their files, as the run stands; see :meth:`run`."""
        error = self._first_error()
        if not self._outcome.frames:
            return error is not None or self._stopping.is_set()
        return error is not None and not self._source.live and not isinstance(error, StageError)

    def _reported_error(self) -> SkdError | None:
        """The error to return with the outcome; raises one that is not to be returned."""
        error = self._first_error()
        # While a stage hangs, the caller must exit before anything is closed.
        is_returned = self._outcome.hanging_stages or not self._discards_files()
        if error is not None and not (isinstance(error, SkdError) and is_returned):
            raise error
        return error
