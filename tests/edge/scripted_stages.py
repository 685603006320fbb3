"""Stages and sinks with given delays and failures, and a pipeline of them."""

import time
from contextlib import contextmanager

from parts import SCRIPT_LAYOUT, moving_body, pose_result
from people import PENN

from edge.contract.types import FrameResult, PoseResult
from edge.drawing.overlay import Overlay
from edge.latency import LatencyHistory
from edge.loop.outcome import Limits
from edge.loop.pipeline import Pipeline
from edge.sinks.sink_worker import SinkOptions, SinkWorker


class Busy:
    """Sleeps, and records how long it really slept: other processes may be using the CPU."""

    def __init__(self, takes_s):
        self.takes_s, self.took_s = takes_s, []

    def __call__(self):
        start = time.perf_counter()
        time.sleep(self.takes_s)
        self.took_s.append(time.perf_counter() - start)


class Scripted:
    """A pose stage with a delay. error_at: (frame index, error to raise). hold: (frame index, event to wait for)."""

    layout = SCRIPT_LAYOUT

    def __init__(self, takes_s=0.0, error_at=None, hold=None):
        self.busy, self.error_at, self.hold, self.looked = Busy(takes_s), error_at, hold, []

    def estimate(self, frame):
        self.busy()
        if self.hold is not None and frame.index == self.hold[0]:
            self.hold[1].wait()
        if self.error_at is not None and frame.index == self.error_at[0]:
            raise self.error_at[1]
        self.looked.append(frame.index)
        return pose_result(frame.index, frame.time_s, [moving_body(frame.index)], frame.image)


class Slow:
    """An action stage that only sleeps."""

    def __init__(self, takes_s):
        self.busy = Busy(takes_s)

    def process(self, pose_result: PoseResult):
        self.busy()
        return FrameResult(pose_result.frame, (), dict(pose_result.latency_ms), pose_result.poses)

    def finish(self):
        return ()


class Kept:
    """A sink that records its results and how its context was left: "well", or the exception."""

    def __init__(self, takes_s=0.0, error_at=None):
        self.results, self.left, self.busy, self.error_at = [], None, Busy(takes_s), error_at

    @contextmanager
    def opened(self):
        try:
            yield self.take
        except BaseException as error:
            self.left = error
            raise
        self.left = "well"

    def take(self, result):
        self.busy()
        if self.error_at is not None and len(self.results) == self.error_at[0]:
            raise self.error_at[1]
        self.results.append(result)


def worker(sink, name="test", **options):
    return SinkWorker(name, sink.opened(), SinkOptions(**options), Overlay(PENN), LatencyHistory(0))


def pipeline(source, pose, action, *sinks, limits=None, history=None, **more):
    lossless = not source.live
    workers = [sink if isinstance(sink, SinkWorker) else worker(sink, lossless=lossless) for sink in sinks]
    return Pipeline(source, pose, action, workers, history or LatencyHistory(0), limits=limits or Limits(), **more)
