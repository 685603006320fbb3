"""How old is a frame when it is shown? A clock is drawn into each as it arrives, and read off what is displayed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from edge.bench.single_stream import Times, times
from edge.bench.time_code import BITS, TICKS_PER_S, draw, read
from edge.capture.source import Source
from edge.cli.console import print_warning
from edge.contract.types import Event, Frame, FrameResult
from edge.image_pool import ImagePool
from edge.latency import LatencyHistory
from edge.loop.config import RunConfig
from edge.loop.parts import open_parts

if TYPE_CHECKING:
    from edge.drawing.overlay import Overlay

Display = Literal["output", "window", "none"]


@dataclass(frozen=True)
class DisplayRun:
    """times: from a frame's arrival until it was displayed, None where none was.

    shown: frames displayed. unread: of them, whose clock was covered by what is drawn. dropped: frames of the
    source that newer ones took the place of, in the loop or before the output.
    """

    times: Times | None
    shown: int
    unread: int
    dropped: int


class Stamped:
    """See :class:`edge.capture.source.Source`: a source whose frames carry the time at which they arrived.

    A recording plays at its own pace, as a camera would, and waits for nobody.
    """

    live = True

    def __init__(self, source: Source, clock: Callable[[], float] = time.perf_counter) -> None:
        self._source, self._clock = source, clock
        self.uri, self.fps, self.size, self.length_frames = source.uri, source.fps, source.size, source.length_frames

    @property
    def on_event(self) -> Callable[[Event], None]:
        return self._source.on_event

    @on_event.setter
    def on_event(self, on_event: Callable[[Event], None]) -> None:
        self._source.on_event = on_event

    def describe(self) -> str:
        return self._source.describe()

    def __iter__(self) -> Iterator[Frame]:
        start, memory = self._clock(), ImagePool()
        for frame in self._source:
            image = memory.copy(frame.image)  # before the frame "arrives": making ours is not the loop's time
            if not self._source.live:
                time.sleep(max(0.0, start + frame.time_s - self._clock()))
            draw(image, _ticks(self._clock()))
            yield replace(frame, image=image)

    def cancel(self) -> None:
        self._source.cancel()

    def close(self) -> None:
        self._source.close()


class Watcher:
    """A sink that reads, off the very image that is displayed, how old that is.

    show: puts a result on a screen, if anything does. ages_ms: of the frames whose clock was legible, in order.
    """

    def __init__(self, overlay: Overlay) -> None:
        self._overlay = overlay
        self.show: Callable[[FrameResult], None] = lambda result: None
        self.ages_ms: list[float] = []
        self.shown = 0

    def __call__(self, result: FrameResult) -> None:
        picture = self._overlay.render(result)
        self.show(result)
        now = _ticks(time.perf_counter())
        self.shown += 1
        if (taken := read(picture)) is not None:
            self.ages_ms.append(1000 * ((now - taken) % (1 << BITS)) / TICKS_PER_S)


def display_run(config: RunConfig, warm_up_frames: int, display: Display) -> DisplayRun:
    """One run of the loop with everything drawn. Raises what the loop and the window raise.

    display: "window" shows the frames on the screen, "output" stops where a frame is ready to be shown.
    """
    from edge.drawing.overlay import Overlay
    from edge.loop.outcome import Limits
    from edge.loop.pipeline import Pipeline
    from edge.sinks.sink_worker import SinkOptions, SinkWorker

    with open_parts(config) as parts:
        overlay, history = Overlay(parts.pose.layout), LatencyHistory(warm_up_frames)
        watcher = Watcher(overlay)
        options = SinkOptions(images=True, annotated=True, on_main_thread=display == "window")
        worker = SinkWorker("display", _watched(watcher, overlay, display), options, overlay, history)
        outcome = Pipeline(
            Stamped(parts.source),
            parts.pose,
            parts.action,
            [worker],
            history,
            limits=Limits(config.frames, config.limit_s),
            warn=print_warning,
        ).run()
    if outcome.ended_by is not None:
        raise outcome.ended_by
    ages = watcher.ages_ms[min(warm_up_frames, len(watcher.ages_ms) // 2) :]
    unread = watcher.shown - len(watcher.ages_ms)
    return DisplayRun(times(ages) if ages else None, watcher.shown, unread, outcome.dropped + worker.dropped)


@contextmanager
def _watched(watcher: Watcher, overlay: Overlay, display: Display) -> Iterator[Watcher]:
    if display != "window":
        yield watcher
        return
    from edge.sinks.window import window_sink

    with window_sink(overlay) as show:
        watcher.show = show
        yield watcher


def _ticks(seconds: float) -> int:
    return round(seconds * TICKS_PER_S) % (1 << BITS)
