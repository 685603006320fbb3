"""Cost of overlapping: frames per second of the whole loop against those of its slowest stage alone.

    nice -n -15 python -m benchmarks.loop_throughput CLIP [ROUNDS]

alone: the pose stage, fed with frames that were read beforehand. loop: reading, pose, tracker, clips and decisions,
each stage on its own thread, without drawing. The networks have one thread, so that on two cores there is room for the
other stages.

A round opens the networks once, and measures the stage alone, the loop with the same stage, and the stage alone again:
a network's speed varies by some percent with the placement of its memory, and over time.

The last rows are of stages that only sleep, for 10, 30 and 6 ms: the cost of the queues when no stage competes for CPU.
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
    """Frames per second of the pose stage after the warm-up."""
    for frame in frames[:WARM_UP]:
        stage.estimate(frame)
    start = time.perf_counter()
    for frame in frames[WARM_UP:]:
        stage.estimate(frame)
    return (len(frames) - WARM_UP) / (time.perf_counter() - start)


def together(parts: Parts) -> tuple[float, float]:
    """Frames per second of the loop after the warm-up, and the share of that time in which the pose stage was busy."""
    times: list[float] = []
    busy_ms: list[float] = []

    def record(result: FrameResult) -> None:
        times.append(time.perf_counter())
        busy_ms.append(result.latency_ms[POSE])

    limits = Limits(frames=FRAMES)
    Pipeline(parts.source, parts.pose, parts.action, (), LatencyHistory(0), limits=limits, on_result=record).run()
    took_s = times[-1] - times[WARM_UP - 1]
    return (len(times) - WARM_UP) / took_s, sum(busy_ms[WARM_UP:]) / 1000 / took_s


def one_round(clip: Path, frames: Sequence[Frame]) -> tuple[float, float, float]:
    """Frames per second alone (mean of before and after) and in the loop; the share of time it is busy there."""
    config = RunConfig(str(clip), BUNDLE, pose=POSE_CONFIG, recogniser=RecogniserConfig(threads=1))
    with open_parts(config) as parts:
        before = alone(parts.pose, frames)
        loop, busy = together(parts)
        return (before + alone(parts.pose, frames)) / 2, loop, busy


class Sleeping(RecordedSource):
    """Source, pose stage and action stage that only sleep."""

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

    def process(self, pose_result: PoseResult) -> FrameResult:
        time.sleep(0.006)
        return FrameResult(pose_result.frame, (), {})

    def finish(self) -> tuple[Event, ...]:
        return ()

    def close(self) -> None:
        """Nothing to close."""


def sleeping() -> tuple[float, float, float]:
    """Frames per second of the slowest stage alone and of all three overlapped; the share of time it is busy there."""
    stage = Sleeping()
    for frame in (frames := [Frame(n, n / 30, np.zeros((1, 1, 3), np.uint8)) for n in range(FRAMES)]):
        stage.estimate(frame)
    alone_s = stage.busy_s
    stage = Sleeping()
    action = cast(ActionStage, stage)
    outcome = Pipeline(stage, stage, action, (), LatencyHistory(0), limits=Limits()).run()
    return len(frames) / alone_s, outcome.frames_per_s, stage.busy_s / outcome.seconds


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
    for name, one, loop, busy in rows:
        shares = (100 * loop / one, 100 * busy)
        table.add_row(name, *(f"{value:.1f}" for value in (one, loop, *shares)))
    Console(width=120).print(table)


if __name__ == "__main__":
    command_line.run(main)
