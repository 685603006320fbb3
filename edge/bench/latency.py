"""``python -m edge bench latency``: the loop stage by stage and the student by batch, several times over."""

from __future__ import annotations

import json
import os
import resource
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from edge.assets import DEMO_CLIP, fetch
from edge.bench.latency_report import as_markdown
from edge.bench.loop_run import LoopRun, loop_run
from edge.bench.student_batches import BatchTimes, student_batches
from edge.capture.source import CaptureConfig
from edge.command_line import console, print_warning
from edge.contract.bundle import read_bundle
from edge.contract.errors import ConfigError, SourceError
from edge.contract.files import replacing
from edge.decisions import DecisionConfig
from edge.machine import machine
from edge.pose.registry import PoseConfig
from edge.recogniser import RecogniserConfig
from edge.run import RunConfig
from edge.tegrastats import BoardSample, board_samples

FORMAT = "skd-edge latency 1"
BATCHES = range(1, 9)


@dataclass(frozen=True)
class LatencyConfig:
    """Measure the loop stage by stage, and the student for 1 to 8 people at once."""

    bundle: Path = Path("bundles/everyday")
    """Bundle folder with the trained student."""
    source: str | None = None
    """Video, folder of images or camera, as for `run`. Unset: the demo's clip, fetched once."""
    out: Path = Path("runs/bench")
    """Folder for latency.json and latency.md."""
    runs: int = 5
    """How often everything is done; what differs between the runs is the noise that `compare` goes by."""
    frames: int = 200
    """Pictures of each run."""
    warm_up_frames: int = 30
    """Of them, at the start, left out of the figures."""
    queries: int = 100
    """Runs of the student for each batch and run."""
    pose: PoseConfig = field(default_factory=PoseConfig)
    """Which pose estimator, and how it runs."""
    capture: CaptureConfig = field(default_factory=CaptureConfig)
    """What is asked of a camera."""
    recogniser: RecogniserConfig = field(default_factory=RecogniserConfig)
    """How the student runs."""
    decisions: DecisionConfig = field(default_factory=DecisionConfig)
    """When people are decided about."""

    def __post_init__(self) -> None:
        if min(self.runs, self.queries) < 1 or self.frames < 2 * self.warm_up_frames or self.warm_up_frames < 0:
            raise ConfigError(
                f"{self.runs} runs of {self.frames} pictures, {self.warm_up_frames} to warm up, {self.queries} queries",
                hint="give at least one run and query, and twice as many frames as warm_up_frames",
            )


def latency(config: LatencyConfig) -> None:
    """Measure, write and show. Raises SourceError for a source that ends within the warm-up."""
    bundle = read_bundle(config.bundle)
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
        print_warning(f"the machine is busy (load {load:.1f}): the figures will be of that")
    runs: list[LoopRun] = []
    batches: list[list[BatchTimes]] = []
    in_loop: list[BoardSample] = []
    with board_samples() as samples:
        for number in range(config.runs):
            console.print(f"run {number + 1} of {config.runs}", highlight=False)
            before = len(samples)
            runs.append(loop_run(run_config, config.warm_up_frames))
            in_loop += samples[before:]
            if runs[-1].frames <= config.warm_up_frames:
                raise SourceError(f"it ends after {runs[-1].frames} pictures", where=source, hint="give a longer one")
            batches.append(
                list(student_batches(bundle, config.recogniser, BATCHES, config.queries, config.warm_up_frames))
            )
    report = {
        "format": FORMAT,
        "machine": machine(),
        "load_before": round(load, 2),
        "bundle": bundle.manifest.name,
        "precision": config.recogniser.precision,
        "threads": {"pose": config.pose.threads, "student": config.recogniser.threads},
        "warm_up_frames": config.warm_up_frames,
        **runs[0].parts,
        "loop": [_run(run) for run in runs],
        "student_batches": [[_batch(found) for found in one] for one in batches],
        "peak_memory_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1),
        "board": board(in_loop, sum(run.frames for run in runs), sum(run.seconds for run in runs)),
    }
    _write(config.out / "latency.json", json.dumps(report, indent=2) + "\n")
    _write(config.out / "latency.md", text := as_markdown(report))
    console.print(text, highlight=False, markup=False)
    console.print(f"written  {config.out / 'latency.json'}, {config.out / 'latency.md'}", highlight=False)


def board(samples: Sequence[BoardSample], frames: int, seconds: float) -> dict[str, Any] | None:
    """Power, heat and memory while the loop ran, None where nothing tells. Energy includes what an idle board draws."""
    powers = [power for sample in samples if (power := sample.power_w) is not None]
    heats = [heat for sample in samples if (heat := sample.hottest_c) is not None]
    rams = [sample.ram_mb for sample in samples if sample.ram_mb is not None]
    if not samples:
        return None
    watts = sum(powers) / len(powers) if powers else None
    return {
        "samples": len(samples),
        "power_w": None if watts is None else round(watts, 3),
        "energy_per_picture_mj": None if watts is None else round(1000 * watts * seconds / frames, 2),
        "hottest_c": max(heats, default=None),
        "ram_mb": max(rams, default=None),
    }


def _run(run: LoopRun) -> dict[str, Any]:
    return {
        "frames": run.frames,
        "frames_per_s": round(run.frames_per_s, 2),
        "dropped": run.dropped,
        "failed": run.failed,
        "stages": {name: _rounded(asdict(row)) for name, row in run.stages.items()},
    }


def _batch(found: BatchTimes) -> dict[str, Any]:
    return {"batch": found.batch, "clips_per_s": round(found.clips_per_s, 2), **_rounded(asdict(found.times))}


def _rounded(figures: dict[str, Any]) -> dict[str, Any]:
    return {name: round(value, 3) for name, value in figures.items()}


def _write(path: Path, text: str) -> None:
    with replacing(path) as partial:
        partial.write_text(text, encoding="utf-8")
