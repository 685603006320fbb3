"""``python -m edge soak``: run the loop for hours and check memory and events.

The camera is lost at random, people come and go, and one sink blocks at random.
"""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from edge.assets import DEMO_CLIP, fetch
from edge.capture.source import CaptureConfig, Source
from edge.cli.console import console
from edge.cli.exit_codes import FAILED
from edge.cli.interruption import Interruption, interruptible
from edge.contract.errors import ConfigError
from edge.contract.files import write_json
from edge.image_pool import ImagePool
from edge.latency import DECISION, POSE, Latency, LatencyHistory, latency_table
from edge.loop.config import RunConfig
from edge.loop.outcome import Limits, RunOutcome
from edge.loop.parts import Parts, open_parts
from edge.loop.progress import progress_line
from edge.machine import machine
from edge.pose.registry import PoseConfig
from edge.recognition.recogniser import RecogniserConfig
from edge.soak.blocking_sink import BlockingSink
from edge.soak.memory import MemoryMonitor

MAX_GROWTH_MB = 5.0
WARM_UP_FRAMES = 30
"""Left out of the latencies."""


@dataclass(frozen=True)
class SoakConfig:
    """Endurance test: run the loop while the camera is lost at random; check memory and events, report frame times."""

    bundle: Path = Path("bundles/everyday")
    """Bundle folder with the trained student."""
    source: Path | None = None
    """Recording that is repeated and played as a camera would. Unset: the demo's."""
    minutes: float = 10.0
    """Duration in minutes; ten on a laptop, hours on a board."""
    warm_up_minutes: float | None = None
    """Minutes at the start that are left out of the memory comparison. Unset: 1.5, at most a third of the duration."""
    loss_every_s: float = 30.0
    """Average seconds between losses of the camera; each lasts up to two seconds."""
    pose: PoseConfig = field(default_factory=PoseConfig)
    """Which pose estimator, and how it runs."""
    report: Path | None = None
    """JSON file for the result."""
    seed: int = 0
    """Seed of the random losses."""

    def __post_init__(self) -> None:
        if not 0 < self.warm_up_s < 60 * self.minutes:
            raise ConfigError(
                f"minutes is {self.minutes:g}, warm_up_minutes is {self.warm_up_s / 60:g}",
                hint="give a longer run, or a shorter warm-up, above 0",
            )

    @property
    def warm_up_s(self) -> float:
        """Seconds of the warm-up."""
        minutes = min(1.5, self.minutes / 3) if self.warm_up_minutes is None else self.warm_up_minutes
        return 60 * minutes


@dataclass(frozen=True)
class SoakResult:
    """The report. growth_mb: growth of resident memory after the warm-up, see edge/soak/memory.py.

    told, heard: events published, and received by the sink that counts them. hanging_took: results that the blocking
    sink received. pose_p99_by_p50, age_p99_by_p50: tail of the pose stage's latency, and of a frame's age when its
    actions are decided; 0 without frames. ended_by: why the run ended early. memory_by_minute: median MB of each
    minute. memory_by_second: all samples.
    """

    minutes: float
    frames: int
    dropped: int
    losses: int
    people: int
    growth_mb: float
    memory_mb: float
    told: int
    heard: int
    hanging_took: int
    pose_p99_by_p50: float
    age_p99_by_p50: float
    ended_by: str | None = None
    memory_by_minute: tuple[float, ...] = ()
    memory_by_second: tuple[float, ...] = ()

    @property
    def faults(self) -> list[str]:
        """Why the run failed, in words; empty if it passed."""
        found = []
        if self.ended_by is not None:
            found.append(f"the run ended after {self.minutes:.1f} minutes: {self.ended_by}")
        elif not self.frames:
            found.append("no frame was processed")
        if self.growth_mb >= MAX_GROWTH_MB:
            found.append(f"memory grew by {self.growth_mb:.1f} MB, {MAX_GROWTH_MB:g} are allowed")
        if self.told != self.heard:
            found.append(f"{self.told - self.heard} of {self.told} events were lost")
        return found


def soak(config: SoakConfig) -> None:
    """Run and print the result; exit with code 1 if the run ended early, memory grew or an event was lost.

    Ctrl-C keeps and prints the result so far, and exits with code 130.
    """
    rng = random.Random(config.seed)
    path = config.source or fetch(DEMO_CLIP)[0]
    recogniser = RecogniserConfig(threads=config.pose.threads)
    run = RunConfig(str(path), config.bundle, pose=config.pose, recogniser=recogniser, report=config.report)
    with open_parts(run, _camera(path, config.loss_every_s, rng)) as parts:
        parts.introduce(run.self_test)  # the test also allocates the memory of the largest batch
        history = LatencyHistory(WARM_UP_FRAMES)
        outcome, result, stop = _run(config, parts, history, rng)
        _print_result(result, history)
        last_lines = [f"fault: {fault}" for fault in result.faults]
        if stop.signum:
            last_lines.append("interrupted")
        elif not result.faults:
            last_lines.append("passed")
        exit_code = stop.exit_code if stop.signum else FAILED if result.faults else 0
        if outcome.hanging_stages:
            outcome.exit_at_once(exit_code, *last_lines)
    for line in last_lines:
        console.print(line)
    if exit_code:
        raise SystemExit(exit_code)


def _run(
    config: SoakConfig, parts: Parts, history: LatencyHistory, rng: random.Random
) -> tuple[RunOutcome, SoakResult, Interruption]:
    """Run, and write ``config.report``."""
    # These import OpenCV, which would slow down `--help`.
    from edge.drawing.overlay import Overlay
    from edge.loop.pipeline import Pipeline
    from edge.sinks.sink_worker import SinkOptions, SinkWorker

    events, blocking = Counter[str](), BlockingSink(rng)
    overlay, memory = Overlay(parts.pose.layout), MemoryMonitor()

    def worker(name: str, sink: Callable[[Any], object], **options: Any) -> SinkWorker:
        return SinkWorker(name, nullcontext(sink), SinkOptions(**options), overlay, history)

    workers = [
        worker("events", lambda event: events.update([event.kind]), kind="events"),
        worker("drawing", overlay.render, images=True, annotated=True),
        worker("blocking", blocking, images=True),
    ]
    limits = Limits(seconds=60 * config.minutes)
    with progress_line(None) as show_progress:
        pipeline = Pipeline(
            parts.source, parts.pose, parts.action, workers, history, limits=limits, on_result=show_progress
        )
        with memory.running(), interruptible(pipeline.stop) as stop:
            outcome = pipeline.run()
            if stop.signum and not outcome.frames and not outcome.hanging_stages:
                console.print("interrupted before the first frame; nothing was written")
                raise SystemExit(stop.exit_code)
            result = _result(outcome, history, events, blocking.received, memory, config.warm_up_s)
            if config.report is not None:
                write_json(config.report, {"machine": machine(), **asdict(result)})
    return outcome, result, stop


def _result(
    outcome: RunOutcome,
    history: LatencyHistory,
    events: Counter[str],
    hanging_took: int,
    memory: MemoryMonitor,
    warm_up_s: float,
) -> SoakResult:
    """events: received by the sink that counts them, by kind."""
    rows = history.summary()
    return SoakResult(
        minutes=outcome.seconds / 60,
        frames=outcome.frames,
        dropped=outcome.dropped,
        losses=events["source_lost"],
        people=events["person_entered"],
        growth_mb=memory.growth_mb(warm_up_s),
        memory_mb=memory.samples[-1][1] if memory.samples else 0.0,
        told=outcome.events,
        heard=events.total(),
        hanging_took=hanging_took,
        pose_p99_by_p50=_tail(rows, POSE),
        age_p99_by_p50=_tail(rows, DECISION),
        ended_by=None if outcome.ended_by is None else str(outcome.ended_by),
        memory_by_minute=memory.by_minute(),
        memory_by_second=tuple(round(mb, 2) for _, mb in memory.samples),
    )


def _tail(rows: Mapping[str, Latency], name: str) -> float:
    return rows[name].p99_ms / rows[name].p50_ms if name in rows else 0.0


def _print_result(result: SoakResult, history: LatencyHistory) -> None:
    console.print(latency_table(history.summary(), f"Soak: {result.frames} frames in {result.minutes:.1f} minutes"))
    console.print(
        f"camera lost {result.losses} times, {result.dropped} frames dropped for newer ones, {result.people} people "
        f"entered; {result.heard} of {result.told} events received; the blocking sink took "
        f"{result.hanging_took} results"
    )
    console.print(
        f"memory {result.memory_mb:.0f} MB, growth {result.growth_mb:+.2f} MB after the warm-up; "
        f"p99/p50 {result.pose_p99_by_p50:.2f} (pose), {result.age_p99_by_p50:.2f} (capture to decision)"
    )


def _camera(path: Path, loss_every_s: float, rng: random.Random) -> Source:
    """The recording as a camera that is lost at random and takes up to two seconds to reopen."""
    from edge.capture.live import Backoff, LiveSource
    from edge.soak.flaky_video import FlakyVideo

    pool = ImagePool()

    def open_video() -> FlakyVideo:
        time.sleep(rng.uniform(0, 2))
        return FlakyVideo(path, rng, loss_every_s, pool)

    hint = "give a readable video"
    return LiveSource(str(path), open_video, CaptureConfig(), hint=lambda: hint, backoff=Backoff(0.1, 0.4))
