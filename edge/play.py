"""From the first picture to the last: the loop and its sinks, with a progress line."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING

from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn
from rich.text import Text

from edge.action_times import ActionTimes
from edge.capture.source import Source
from edge.command_line import console
from edge.contract.errors import SourceError
from edge.contract.types import Frame, FrameResult
from edge.interruption import Interruption
from edge.latency import CAPTURE, DRAW, WRITE, StageTimer
from edge.loop import Loop
from edge.sinks.sink import Enough, Sink

if TYPE_CHECKING:
    from edge.overlay import Overlay  # brings OpenCV along


@dataclass
class Played:
    """frames: turns of the loop. seconds: wall time. dropped_out: why a camera ended, where it did."""

    frames: int = 0
    seconds: float = 0.0
    times: ActionTimes = field(default_factory=ActionTimes)
    dropped_out: SourceError | None = None


@dataclass(frozen=True)
class Pictures:
    """The source's frames up to a limit, timed. total: how many there will be, None where nobody knows."""

    frames: Iterator[Frame]
    total: int | None


def limited(source: Source, timer: StageTimer, *, frames: int | None, limit_s: float | None) -> Pictures:
    """At most ``frames`` pictures, taken within the first ``limit_s`` seconds; None for no limit."""
    known = [n for n in (source.length_frames, frames) if n is not None]
    if limit_s is not None and not source.live:
        known.append(round(limit_s * source.fps))

    def pictures() -> Iterator[Frame]:
        remaining = iter(source)
        for n in count(1):
            with timer.stage(CAPTURE):
                frame = next(remaining, None)
            if frame is None or (limit_s is not None and frame.time_s > limit_s):
                return
            yield frame
            if n == frames:
                return

    return Pictures(pictures(), min(known) if known else None)


def play(
    pictures: Pictures,
    source: Source,
    loop: Loop,
    overlay: Overlay | None,
    sinks: Sequence[Sink],
    timer: StageTimer,
    stop: Interruption,
) -> Played:
    """Until the pictures end, a sink has had enough, or a signal was noted.

    overlay: drawn in a stage of its own, so that figures tell drawing from writing; None where no sink
    needs every picture. Raises what the loop and the sinks raise, and the source's error where the
    source is a recording.
    """
    played, start = Played(), time.perf_counter()
    with Progress(*_columns(), console=console, disable=not console.is_terminal, transient=True) as progress:
        bar = progress.add_task("", total=pictures.total)
        try:
            for frame in pictures.frames:
                result = loop.step(frame)
                if overlay is not None:
                    with timer.stage(DRAW):
                        overlay.picture(result)
                for sink in sinks:
                    with timer.stage(WRITE):
                        sink(result)
                timer.next_frame()
                played.times.add(result)
                played.frames += 1
                progress.update(bar, advance=1, description=_now(result))
                if stop.signum:
                    break
        except Enough:
            pass
        except KeyboardInterrupt:
            # A second Ctrl-C, because the source does not answer. What there is, is whole.
            if not played.frames:
                raise
        except SourceError as error:
            if not source.live or not played.frames:
                raise
            played.dropped_out = error
    played.seconds = time.perf_counter() - start
    return played


def _columns() -> tuple[ProgressColumn, ...]:
    return BarColumn(24), MofNCompleteColumn(), _Rate(), TextColumn("{task.description}")


class _Rate(ProgressColumn):
    """Pictures a second."""

    def render(self, task: Task) -> Text:
        return Text(f"{task.speed:.1f}/s" if task.speed else "")


def _now(result: FrameResult) -> str:
    """For instance "#1 squat 93 %, #2 watching"."""
    return ", ".join(
        f"#{person.track_id} {person.action.label.replace('_', ' ')} {100 * person.action.score:.0f} %"
        if person.action
        else f"#{person.track_id} watching"
        for person in sorted(result.people, key=lambda person: person.track_id)
    )
