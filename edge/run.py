"""``python -m edge run``: everything opened, the loop, and what it says at its end."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from edge.capture.source import CaptureConfig, Source
from edge.command_line import console
from edge.contract.bundle import read_bundle
from edge.contract.errors import ConfigError, SourceError
from edge.contract.files import replacing, writing
from edge.interruption import interruptible
from edge.latency import StageTimer, latency_table
from edge.loop import Loop
from edge.machine import machine
from edge.play import Played, limited, play
from edge.pose.registry import PoseConfig, open_estimator
from edge.recogniser import RecogniserConfig, open_recogniser
from edge.sinks.registry import SinkConfig, open_sinks
from edge.tracker import Tracker, TrackerConfig

WARM_UP_FRAMES = 10
"""Left out of the figures: runtimes choose kernels and take memory in their first runs."""


@dataclass(frozen=True)
class RunConfig:
    """Run pose estimator, tracker and recogniser on a video, a folder of images or a camera."""

    source: str
    """Video file, folder of images, or camera (0, /dev/video0, v4l2:///dev/video0)."""
    bundle: Path
    """Bundle folder with the trained student, as `python -m train export` wrote it."""
    pose: PoseConfig = field(default_factory=PoseConfig)
    """Which pose estimator, and how it runs."""
    capture: CaptureConfig = field(default_factory=CaptureConfig)
    """What is asked of a camera."""
    tracker: TrackerConfig = field(default_factory=TrackerConfig)
    """Who is who."""
    recogniser: RecogniserConfig = field(default_factory=RecogniserConfig)
    """How clips become decisions."""
    sinks: SinkConfig = field(default_factory=SinkConfig)
    """Where results go."""
    decisions_hz: float = 5.0
    """Decisions a second about each person, by the source's clock. Larger: quicker changes, more work."""
    frames: int | None = None
    """End after so many pictures."""
    limit_s: float | None = None
    """End after so many seconds of the source."""
    self_test: bool = True
    """Before the first picture, hold the student's answers against those stored in the bundle."""
    report: Path | None = None
    """JSON file to write with the latencies and what they were measured on."""

    @property
    def outputs(self) -> tuple[Path, ...]:
        """The files that a run writes."""
        return (*self.sinks.paths, self.report) if self.report else self.sinks.paths

    def __post_init__(self) -> None:
        if len({path.resolve() for path in self.outputs}) < len(self.outputs):
            raise ConfigError("two outputs have the same name", hint="give each of them its own")
        if not 0 < self.decisions_hz <= 1000:
            raise ConfigError(f"decisions_hz is {self.decisions_hz}", hint="give a rate above 0, in Hz")
        if self.frames is not None and self.frames < 1:
            raise ConfigError(f"frames is {self.frames}", hint="give 1 or more, or leave it out")
        if self.limit_s is not None and not self.limit_s > 0:
            raise ConfigError(f"limit_s is {self.limit_s}", hint="give more than 0 seconds, or leave it out")


def run(config: RunConfig) -> None:
    """Run until the source ends, a limit is reached, q is pressed in the window, or a signal comes.

    A recording in which nobody is in view is a SourceError; a camera may see nobody. Ctrl-C keeps
    the files, shows the tables and leaves with exit code 130. A camera that drops out for good keeps
    the files too; any other error leaves none.
    """
    # OpenCV, which `--help` need not wait for.
    from edge.capture.registry import open_source
    from edge.overlay import Overlay

    with ExitStack() as stack:
        bundle = read_bundle(config.bundle)
        source = open_source(config.source, config.capture)
        stack.callback(source.close)
        recogniser = open_recogniser(bundle, config.recogniser)
        stack.callback(recogniser.close)
        estimator = open_estimator(config.pose)
        stack.callback(estimator.close)
        timer = StageTimer(WARM_UP_FRAMES)
        loop = Loop(
            bundle,
            estimator,
            Tracker(estimator.layout, config.tracker),
            recogniser,
            timer,
            decisions_hz=config.decisions_hz,
            min_fill=config.recogniser.min_fill,
        )
        parts = {"source": source.describe(), "pose": estimator.describe(), "student": recogniser.describe()}
        for name, description in parts.items():
            console.print(f"{name:8} {description}", highlight=False)
        if config.self_test:
            recogniser.require_agreement(bundle)
        with ExitStack() as outputs:
            report = None if config.report is None else outputs.enter_context(replacing(config.report))
            overlay = Overlay(estimator.layout)
            sinks = outputs.enter_context(open_sinks(config.sinks, source, estimator.layout, overlay))
            stop = outputs.enter_context(interruptible())
            drawn = overlay if config.sinks.draws_every_frame else None
            played = play(
                limited(source, timer, frames=config.frames, limit_s=config.limit_s),
                source,
                loop,
                drawn,
                sinks,
                timer,
                stop,
            )
            if not source.live and not stop.signum:
                _require_people(config, source, loop, played)
            if report is not None:
                figures = {"machine": machine(), **parts, **_figures(config, played, timer)}
                with writing(config.report or report):
                    report.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    conclude(config, played, timer)
    if played.dropped_out is not None:
        raise played.dropped_out
    if stop.signum:
        console.print("interrupted; what was written until then is kept" if config.outputs else "interrupted")
        raise SystemExit(stop.exit_code)


def _require_people(config: RunConfig, source: Source, loop: Loop, played: Played) -> None:
    if played.times.seconds:
        return
    if loop.frames_with_poses:
        raise SourceError(
            f"nobody could be followed: bodies were seen in {loop.frames_with_poses} of {played.frames} pictures, "
            f"never in {config.tracker.birth_hits} running",
            where=source.uri,
            hint="give a steadier recording, or lower tracker.birth_hits",
        )
    raise SourceError(
        f"no person in view in {played.frames} pictures",
        where=source.uri,
        hint="give a recording in which bodies are at least a tenth of the picture high, or another pose estimator",
    )


def _figures(config: RunConfig, played: Played, timer: StageTimer) -> dict[str, Any]:
    return {
        "precision": config.recogniser.precision,
        "threads": {"pose": config.pose.threads, "student": config.recogniser.threads},
        "frames": played.frames,
        "frames_per_s": round(played.frames / played.seconds, 2),
        "latency": {stage: _rounded(asdict(row)) for stage, row in timer.summary().items()},
        "action_seconds": {track_id: _rounded(by_label) for track_id, by_label in played.times.seconds.items()},
    }


def _rounded(figures: Mapping[str, float]) -> dict[str, float]:
    return {name: round(value, 3) for name, value in figures.items()}


def conclude(config: RunConfig, played: Played, timer: StageTimer) -> None:
    """The tables, and where the files are."""
    rate = f"{played.frames} pictures in {played.seconds:.1f} s, {played.frames / played.seconds:.1f} a second"
    console.print(latency_table(timer.summary(), f"Latency: {rate}"))
    if played.times.seconds:
        console.print(played.times.table())
    else:
        console.print("warning: nobody was in view")
    for path in config.outputs:
        console.print(f"written  {path}", highlight=False)
