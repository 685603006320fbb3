"""What overlapping costs: the whole loop's pictures a second against those of its slowest stage alone.

    nice -n -15 python -m benchmarks.loop_throughput CLIP [ROUNDS]

alone: the pose stage, given one picture after the other that was read beforehand. loop: reading, pose, tracker, clips
and decisions, on threads of their own, with nothing drawn. The networks have one thread, so that on two cores
there is room for what runs beside them.

A round opens the networks once, and measures the stage alone, the loop with that same stage, and the stage alone again.
How fast a network is varies by some percent with where its memory happens to lie, and with the minute.

The last rows are of stages that only sleep, 10, 30 and 6 ms: what handing on costs where no stage takes another's time.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import cast

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks import command_line
from edge.capture.registry import open_source
from edge.capture.source import RecordedSource
from edge.contract.layouts import layout
from edge.contract.types import Event, Frame, FrameResult, PoseResult
from edge.latency import POSE, LatencyHistory
from edge.loop.action_stage import ActionStage
from edge.loop.config import RunConfig
from edge.loop.outcome import Limits
from edge.loop.parts import Parts, open_parts
from edge.loop.pipeline import Pipeline
from edge.loop.pose_stage import PoseStage
from edge.pose.registry import PoseConfig
from edge.recognition.recogniser import RecogniserConfig

BUNDLE = Path(__file__).parents[1] / "bundles" / "everyday"
POSE_CONFIG = PoseConfig(threads=1)
FRAMES, WARM_UP = 150, 10


def alone(stage: PoseStage, frames: Sequence[Frame]) -> float:
    """Pictures a second of the pose stage after the warm-up."""
    for frame in frames[:WARM_UP]:
        stage.estimate(frame)
    start = time.perf_counter()
    for frame in frames[WARM_UP:]:
        stage.estimate(frame)
    return (len(frames) - WARM_UP) / (time.perf_counter() - start)


def together(parts: Parts) -> tuple[float, float]:
    """Pictures a second of the loop after the warm-up; part of that time in which the pose stage was at work."""
    times: list[float] = []
    busy_ms: list[float] = []

    def note(result: FrameResult) -> None:
        times.append(time.perf_counter())
        busy_ms.append(result.latency_ms[POSE])

    limits = Limits(frames=FRAMES)
    Pipeline(parts.source, parts.pose, parts.action, (), LatencyHistory(0), limits=limits, on_result=note).run()
    took_s = times[-1] - times[WARM_UP - 1]
    return (len(times) - WARM_UP) / took_s, sum(busy_ms[WARM_UP:]) / 1000 / took_s


def one_round(clip: Path, frames: Sequence[Frame]) -> tuple[float, float, float]:
    """Pictures a second alone, mean of before and after, and in the loop; part of the time at work there."""
    config = RunConfig(str(clip), BUNDLE, pose=POSE_CONFIG, recogniser=RecogniserConfig(threads=1))
    with open_parts(config) as parts:
        before = alone(parts.pose, frames)
        loop, at_work = together(parts)
        return (before + alone(parts.pose, frames)) / 2, loop, at_work


class Sleeping(RecordedSource):
    """Source, pose stage and action stage that take their time and nothing else."""

    uri, fps, size = "sleeping", 30.0, (64, 48)
    length_frames: int | None = None
    layout = layout("penn-13")

    def __init__(self) -> None:
        self.busy_s = 0.0

    def describe(self) -> str:
        return "sleeping"

    def __iter__(self) -> Iterator[Frame]:
        for n in range(FRAMES):
            time.sleep(0.010)
            yield Frame(n, n / 30, np.zeros((48, 64, 3), np.uint8))

    def estimate(self, frame: Frame) -> PoseResult:
        start = time.perf_counter()
        time.sleep(0.030)
        self.busy_s += time.perf_counter() - start
        return PoseResult(frame, ())

    def process(self, seen: PoseResult) -> FrameResult:
        time.sleep(0.006)
        return FrameResult(seen.frame, (), {})

    def finish(self) -> tuple[Event, ...]:
        return ()

    def close(self) -> None:
        """Nothing is held open."""


def sleeping() -> tuple[float, float, float]:
    """Pictures a second of the stage that sleeps longest alone, of all three overlapped, and that stage's part."""
    stage = Sleeping()
    for frame in (frames := [Frame(n, n / 30, np.zeros((1, 1, 3), np.uint8)) for n in range(FRAMES)]):
        stage.estimate(frame)
    alone_s = stage.busy_s
    stage = Sleeping()
    action = cast(ActionStage, stage)
    outcome = Pipeline(stage, stage, action, (), LatencyHistory(0), limits=Limits()).run()
    return len(frames) / alone_s, outcome.frames / outcome.seconds, stage.busy_s / outcome.seconds


def main() -> None:
    parser = command_line.parser("benchmarks.loop_throughput", __doc__)
    parser.add_argument("clip", type=Path, metavar="CLIP")
    parser.add_argument("rounds", type=int, metavar="ROUNDS", nargs="?", default=3, help="default: %(default)s")
    given = parser.parse_args()
    clip, rounds = given.clip, given.rounds
    table = Table("", "stage alone, a second", "loop, a second", "part %", "stage at work in the loop %")
    frames = list(islice(open_source(str(clip)), FRAMES))
    rows = [(clip.name, *one_round(clip, frames)) for _ in range(rounds)]
    rows += [("sleeping", *sleeping()) for _ in range(min(rounds, 3))]
    for name, one, all_of_it, at_work in rows:
        parts = (100 * all_of_it / one, 100 * at_work)
        table.add_row(name, *(f"{value:.1f}" for value in (one, all_of_it, *parts)))
    Console(width=120).print(table)


if __name__ == "__main__":
    command_line.run(main)
