"""Measure capture-to-display latency with a timecode that is drawn into each frame and read when it is displayed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

from edge.bench.loop_run import require_complete
from edge.bench.time_code import BITS, TICKS_PER_S, draw, read
from edge.capture.source import Source
from edge.cli.console import print_warning
from edge.cli.interruption import interruptible
from edge.contract.types import Event, Frame, FrameResult, Image
from edge.image_pool import ImagePool
from edge.latency import Latency, LatencyHistory
from edge.loop.config import RunConfig
from edge.loop.outcome import Limits
from edge.loop.parts import open_parts
from edge.sinks.config import SinkConfig

if TYPE_CHECKING:
    from edge.drawing.overlay import Overlay
    from edge.sinks.sink import Sink

Display = Literal["output", "window", "none"]


class TimecodeSource:
    """A source that draws the time of arrival into its frames. See :class:`edge.capture.source.Source`.

    A recording plays in real time, like a camera, and does not wait for the loop.
    """

    live = True
    on_event: Callable[[Event], None] = staticmethod(lambda event: None)

    def __init__(self, source: Source, clock: Callable[[], float] = time.perf_counter) -> None:
        self._source, self._clock = source, clock
        self.uri, self.fps, self.size, self.length_frames = source.uri, source.fps, source.size, source.length_frames

    def describe(self) -> str:
        return self._source.describe()

    def __iter__(self) -> Iterator[Frame]:
        self._source.on_event = self.on_event
        start, pool = self._clock(), ImagePool()
        for frame in self._source:
            image = pool.copy(frame.image)  # before the time of arrival: the copy is not part of the latency
            if not self._source.live:
                time.sleep(max(0.0, start + frame.time_s - self._clock()))
            draw(image, _ticks(self._clock()))
            yield replace(frame, image=image)

    def cancel(self) -> None:
        self._source.cancel()

    def close(self) -> None:
        self._source.close()


def timecode_sink(overlay: Overlay, ages_ms: list[float | None], show: Callable[[Image], object]) -> Sink:
    """Show each result, then append the age of its timecode, None if it is not legible."""

    def receive(result: FrameResult) -> None:
        image = overlay.render(result)
        show(image)
        now = _ticks(time.perf_counter())
        arrival = read(image)
        ages_ms.append(None if arrival is None else 1000 * ((now - arrival) % (1 << BITS)) / TICKS_PER_S)

    return receive


def display_run(config: RunConfig, warm_up_frames: int, display: Display) -> dict[str, Any]:
    """One run of the loop with the overlay drawn. Raises what the loop and the window raise.

    display: "window" shows the frames on the screen; "output" only renders them.
    Returns figures for latency.json. shown: frames displayed. unread: those of them whose timecode the overlay covered.
    dropped: frames replaced by newer ones, in the loop or before the output. The rest: latency from a frame's arrival
    until its display, if a timecode was read.
    """
    from edge.drawing.overlay import Overlay
    from edge.loop.pipeline import Pipeline
    from edge.sinks.sink_worker import SinkOptions, SinkWorker

    found: list[float | None] = []
    with open_parts(replace(config, sinks=SinkConfig(show=display == "window"))) as parts:
        overlay, history = Overlay(parts.pose.layout), LatencyHistory(warm_up_frames)
        window = parts.window
        sink = nullcontext(timecode_sink(overlay, found, window.show if window is not None else lambda image: None))
        options = SinkOptions(images=True, annotated=True, idle=window.check if window is not None else None)
        worker = SinkWorker("display", sink, options, overlay, history)
        pipeline = Pipeline(
            TimecodeSource(parts.source),
            parts.pose,
            parts.action,
            [worker],
            history,
            limits=Limits(config.frames, config.limit_s),
            warn=print_warning,
        )
        with interruptible(pipeline.stop) as stop:
            outcome = pipeline.run()
        require_complete(outcome, stop)
    legible_ms = [age_ms for age_ms in found if age_ms is not None]
    ages_ms = legible_ms[min(warm_up_frames, len(legible_ms) // 2) :]
    latency = Latency.of(ages_ms).figures("queries") if ages_ms else {}
    unread, dropped = len(found) - len(legible_ms), outcome.dropped + worker.dropped
    return {"shown": len(found), "unread": unread, "dropped": dropped, **latency}


def _ticks(seconds: float) -> int:
    return round(seconds * TICKS_PER_S) % (1 << BITS)
