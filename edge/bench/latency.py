"""``python -m edge bench latency``: measure the loop stage by stage and the student by batch size, repeatedly."""

from __future__ import annotations

import os
import resource
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from edge.assets import DEMO_CLIP, fetch
from edge.bench.board import monitor_board
from edge.bench.compare import compare
from edge.bench.display_run import Display, display_run
from edge.bench.latency_report import FORMAT, as_markdown
from edge.bench.loop_run import LoopRun, loop_run
from edge.bench.query_times import QueryTimes, pose_network_times, student_times
from edge.capture.source import CaptureConfig
from edge.cli.console import console, print_warning
from edge.contract.bundle import Bundle, read_bundle
from edge.contract.errors import ConfigError, SourceError
from edge.contract.files import require_writable, write_json, write_text
from edge.contract.intervals import require_in
from edge.contract.types import Float32
from edge.loop.config import RunConfig
from edge.machine import machine
from edge.pose.registry import PoseConfig
from edge.recognition.decisions import DecisionConfig
from edge.recognition.recogniser import RecogniserConfig, precision_of
from edge.sinks.window import open_window

BATCHES = range(1, 9)


@dataclass(frozen=True)
class LatencyConfig:
    """Measure the latency of the loop, stage by stage, and of the student for 1 to 8 people."""

    bundle: Path = Path("bundles/everyday")
    """Bundle folder with the trained student."""
    source: str | None = None
    """Video, folder of images or camera, as for `run`. By default the demo's clip, downloaded once."""
    out: Path = Path("runs/bench")
    """Folder for latency.json, latency.md and latency.png (the latency distribution of each stage)."""
    runs: int = 5
    """Repetitions of the whole measurement; --compare takes the differences between them as noise."""
    frames: int = 200
    """Frames per run."""
    warm_up_frames: int = 30
    """Frames at the start of each run that are not measured."""
    queries: int = 100
    """Queries per run of each pose network alone, and of the student for each batch size."""
    pose: PoseConfig = field(default_factory=PoseConfig)
    """The pose estimator and how it runs."""
    capture: CaptureConfig = field(default_factory=CaptureConfig)
    """Camera settings."""
    recogniser: RecogniserConfig = field(default_factory=RecogniserConfig)
    """How the student runs."""
    decisions: DecisionConfig = field(default_factory=DecisionConfig)
    """When and how labels are decided."""
    display: Display = "output"
    """End-to-end latency, capture to display, measured in a separate run with a timecode drawn into each frame: output
    (rendered, not shown), window (shown on the screen) or none. A recording plays in real time for it."""
    compare: tuple[Path, Path] | None = None
    """Compare two latency.json, the earlier one first, instead of measuring."""

    def __post_init__(self) -> None:
        require_in(self, runs="[1, inf)", queries="[1, inf)", warm_up_frames="[0, inf)")
        if self.frames < 2 * self.warm_up_frames:
            raise ConfigError(
                f"{self.frames} frames, {self.warm_up_frames} to warm up",
                hint="give at least twice as many frames, or fewer to warm up",
            )


def latency(config: LatencyConfig) -> None:
    """Measure, write and print a report.

    Raises SourceError if the source ends within the warm-up, and OutputError before anything is measured.
    """
    if config.compare is not None:
        compare(*config.compare)
        return
    bundle = read_bundle(config.bundle)
    files = [config.out / name for name in ("latency.json", "latency.md", "latency.png")]
    require_writable(*files)
    if config.display == "window":
        with open_window():
            pass  # refused here where none can be shown, not after the first run
    source = config.source or str(fetch(DEMO_CLIP)[0])
    run_config = RunConfig(
        source,
        config.bundle,
        pose=config.pose,
        capture=config.capture,
        recogniser=config.recogniser,
        decisions=config.decisions,
        frames=config.frames,
    )
    load = os.getloadavg()[0]
    if load > (os.cpu_count() or 1) / 2:
        print_warning(f"the machine is busy (load {load:.1f}), which will affect the figures")
    runs, measured = _measure(config, run_config, bundle)
    report = {
        "format": FORMAT,
        "machine": machine(),
        "load_before": round(load, 2),
        "bundle": bundle.manifest.name,
        "precision": precision_of(bundle, config.recogniser),
        "threads": {"pose": config.pose.threads, "student": config.recogniser.threads},
        "warm_up_frames": config.warm_up_frames,
        **measured,
    }
    _write(report, [run.values_ms for run in runs], *files)


def _write(report: Mapping[str, Any], values_ms: Sequence[Mapping[str, Float32]], *files: Path) -> None:
    """Write the report as JSON, as Markdown, which is printed too, and as a plot of the runs' latencies by stage."""
    from edge.bench.distribution_plot import distribution_plot
    from edge.bench.png import write_png

    as_json, as_text, as_plot = files
    write_json(as_json, report)
    write_text(as_text, text := as_markdown(report))
    stages = [name for name in values_ms[0] if all(name in run for run in values_ms)]
    write_png(as_plot, distribution_plot({name: np.concatenate([run[name] for run in values_ms]) for name in stages}))
    console.print(text)
    console.print(f"written  {', '.join(map(str, files))}")


def _measure(config: LatencyConfig, run_config: RunConfig, bundle: Bundle) -> tuple[list[LoopRun], dict[str, Any]]:
    """The runs of the loop, and everything measured as JSON values, in lists with one entry per run."""
    runs: list[LoopRun] = []
    batches, networks, displays = [], [], []
    counts = (config.queries, config.warm_up_frames)
    with monitor_board() as board:
        for number in range(config.runs):
            console.print(f"run {number + 1} of {config.runs}")
            runs.append(loop_run(run_config, config.warm_up_frames, around=board.in_loop()))
            if (frames := runs[-1].outcome.frames) <= config.warm_up_frames:
                ended = f"it ends after {frames} frames"
                raise SourceError(ended, where=run_config.source, hint="give a longer one")
            by_batch = student_times(bundle, config.recogniser, BATCHES, *counts)
            batches.append([_batch(*found) for found in by_batch.items()])
            replayed = run_config.source.startswith("replay://")
            timed = {} if replayed else pose_network_times(config.pose, *counts)
            networks.append({name: found.figures() for name, found in timed.items()})
            if config.display != "none":
                displays.append(display_run(run_config, config.warm_up_frames, config.display))
            board.poll()
    frames, seconds = sum(run.outcome.frames for run in runs), sum(run.outcome.seconds for run in runs)
    return runs, {
        **runs[0].parts,
        "loop": [run.figures() for run in runs],
        "student_batches": batches,
        "pose_networks": networks,
        "display": {"to": config.display, "runs": displays},
        "peak_memory_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1),
        "board": board.figures(frames, seconds),
    }


def _batch(batch: int, found: QueryTimes) -> dict[str, Any]:
    return {"batch": batch, "clips_per_s": round(1000 * batch / found.host.p50_ms, 2), **found.figures()}
