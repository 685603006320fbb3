"""Convert latency measurements to the content of ``latency.json``."""

from __future__ import annotations

import resource
from dataclasses import asdict, dataclass
from typing import Any

from edge.bench.display_run import Display, DisplayRun
from edge.bench.loop_run import LoopRun
from edge.bench.query_times import QueryTimes
from edge.bench.student_batches import BatchTimes
from edge.latency import rounded


@dataclass(frozen=True)
class Measurements:
    """The lists have one entry per run. board: see :func:`edge.bench.board.BoardMonitor.figures`."""

    runs: list[LoopRun]
    batches: list[list[BatchTimes]]
    pose_networks: list[dict[str, QueryTimes]]
    displays: list[DisplayRun]
    board: dict[str, Any] | None


def latency_figures(measured: Measurements, display: Display) -> dict[str, Any]:
    """The measurements as JSON values. display: where frames were displayed."""
    return {
        **measured.runs[0].parts,
        "loop": [_run(run) for run in measured.runs],
        "student_batches": [[_batch(found) for found in one] for one in measured.batches],
        "pose_networks": [{name: _queries(found) for name, found in one.items()} for one in measured.pose_networks],
        "display": {"to": display, "runs": [_display(found) for found in measured.displays]},
        "peak_memory_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1),
        "board": measured.board,
    }


def _run(run: LoopRun) -> dict[str, Any]:
    outcome = run.outcome
    return {
        "frames": outcome.frames,
        "frames_per_s": round(outcome.frames_per_s, 2),
        "dropped": outcome.dropped,
        "failed": outcome.failed,
        "stages": {name: rounded(asdict(row)) for name, row in run.stages.items()},
    }


def _display(found: DisplayRun) -> dict[str, Any]:
    """Of one run; without percentiles if no timecode was legible."""
    counts = {"shown": found.shown, "unread": found.unread, "dropped": found.dropped}
    return {**counts, **(rounded(asdict(found.times)) if found.times else {})}


def _batch(found: BatchTimes) -> dict[str, Any]:
    return {"batch": found.batch, "clips_per_s": round(found.clips_per_s, 2), **_queries(found.times)}


def _queries(found: QueryTimes) -> dict[str, Any]:
    """The host's figures, and under "device" the GPU's, None if it has no clock."""
    return {**rounded(asdict(found.host)), "device": None if found.device is None else rounded(asdict(found.device))}
