"""``python -m edge run``: everything opened, the loop, and what it says at its end."""

from __future__ import annotations

import json
import os
import sys
from contextlib import nullcontext
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, NoReturn

from edge.capture.source import Source
from edge.cli.console import console, print_warning
from edge.cli.exit_codes import USER_ERROR
from edge.cli.interruption import Interruption, interruptible
from edge.contract.errors import SourceError
from edge.contract.files import atomic_write, wrap_write_errors
from edge.latency import LatencyHistory, latency_table, rounded
from edge.loop.config import RunConfig
from edge.loop.outputs import sink_workers
from edge.loop.parts import open_parts
from edge.loop.progress import progress_line
from edge.machine import machine

if TYPE_CHECKING:
    from edge.loop.outcome import RunOutcome

WARM_UP_FRAMES = 10
"""Left out of the figures: runtimes choose kernels and take memory in their first runs."""


def run(config: RunConfig) -> None:
    """Run until the source ends, a limit is reached, the window is closed, or a signal comes.

    A recording in which nobody is in view is a SourceError; a camera may see nobody. Ctrl-C keeps
    the files, shows the tables and leaves with exit code 130. A stage that keeps failing keeps the files too, and of a
    camera, which cannot be asked again, whatever ends the run does; of a recording any other error leaves none.
    """
    # OpenCV, which `--help` need not wait for.
    from edge.drawing.overlay import Overlay
    from edge.loop.outcome import Limits
    from edge.loop.pipeline import Pipeline

    with open_parts(config) as parts:
        source, pose, told = parts.source, parts.pose, parts.describe()
        for name, description in told.items():
            console.print(f"{name:8} {description}")
        if config.self_test:
            parts.student.require_agreement(parts.bundle)
        history, overlay = LatencyHistory(WARM_UP_FRAMES), Overlay(pose.layout)
        limits = Limits(config.frames, config.limit_s)
        with progress_line(limits.total(source)) as show_progress:
            pipeline = Pipeline(
                source,
                pose,
                parts.action,
                sink_workers(config, parts, overlay, history, console.print),
                history,
                limits=limits,
                on_result=show_progress,
                validate=lambda outcome: _require_people(config, source, outcome),
                warn=print_warning,
            )
            # No file is begun before signals are noted, or one that comes in between would leave it there.
            report_file = atomic_write(config.report) if config.report else nullcontext()
            with interruptible(pipeline.stop) as stop, report_file as report:
                outcome = pipeline.run()
                if stop.signum and not outcome.frames and not outcome.hanging:
                    console.print("interrupted before the first frame; nothing was written")
                    raise SystemExit(stop.exit_code)
                if report is not None:
                    figures = {"machine": machine(), **told, **_figures(config, outcome, history)}
                    with wrap_write_errors(config.report or report):
                        report.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
        conclude(config, outcome, history)
        if stop.signum:
            console.print("interrupted; what was written until then is kept" if config.files else "interrupted")
        if outcome.hanging:
            # Before anything is closed that those still work with.
            _leave_behind(config, outcome, stop)
    if stop.signum:
        raise SystemExit(stop.exit_code)
    if outcome.ended_by is not None:
        raise outcome.ended_by


def _leave_behind(config: RunConfig, outcome: RunOutcome, stop: Interruption) -> NoReturn:
    """End the process around threads that do not answer; Python would wait for them, or pull the floor from under."""
    console.print(f"warning: left behind, because it does not answer: {', '.join(outcome.hanging)}")
    if outcome.ended_by is not None:
        console.print(f"error: {outcome.ended_by}")
    lost = [str(path) for name, path in config.files.items() if name in outcome.hanging]
    if lost:
        console.print(f"error: not written: {', '.join(lost)}; a faster disk or codec, or smaller frames may do")
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(stop.exit_code if stop.signum else USER_ERROR if outcome.ended_by or lost else 0)


def _require_people(config: RunConfig, source: Source, outcome: RunOutcome) -> None:
    """A recording that shows nobody was most likely the wrong one, or the wrong way up."""
    if outcome.times.seconds or outcome.failed or source.live or source.uri.startswith("replay://"):
        return
    if outcome.with_poses:
        raise SourceError(
            f"nobody could be followed: bodies were seen in {outcome.with_poses} of {outcome.frames} frames, "
            f"never in {config.tracker.birth_hits} running",
            where=source.uri,
            hint="give a longer or steadier recording, or lower tracker.birth_hits",
        )
    raise SourceError(
        f"no person in view in {outcome.frames} frames",
        where=source.uri,
        hint="give a recording in which bodies are at least a tenth of the frame's height, or another pose estimator",
    )


def _figures(config: RunConfig, outcome: RunOutcome, history: LatencyHistory) -> dict[str, Any]:
    return {
        "precision": config.recogniser.precision,
        "threads": {"pose": config.pose.threads, "student": config.recogniser.threads},
        "frames": outcome.frames,
        "frames_per_s": round(outcome.frames / outcome.seconds, 2),
        "frames_dropped": outcome.dropped,
        "frames_failed": outcome.failed,
        "given_up": outcome.dropped_by_sink,
        "latency": {stage: rounded(asdict(row)) for stage, row in history.summary().items()},
        "action_seconds": {track_id: rounded(by_label) for track_id, by_label in outcome.times.seconds.items()},
    }


def conclude(config: RunConfig, outcome: RunOutcome, history: LatencyHistory) -> None:
    """The tables, and where the files are."""
    rate = f"{outcome.frames} frames in {outcome.seconds:.1f} s, {outcome.frames / outcome.seconds:.1f} per second"
    console.print(latency_table(history.summary(), f"Latency: {rate}"))
    if outcome.dropped:
        console.print(f"{outcome.dropped} frames of the camera were dropped: newer ones had come")
    for name, count in outcome.dropped_by_sink.items():
        console.print(f"output {name} was too slow for {count} results: newer ones took their place")
    if outcome.failed:
        console.print(f"warning: {outcome.failed} frames have no answer, because a stage failed")
    if (table := outcome.times.table()).rows:
        console.print(table)
    elif outcome.times.seconds:
        console.print("warning: nothing was decided: nobody was in two frames less than half a second apart")
    else:
        console.print("warning: nobody was in view")
    for name, path in config.files.items():
        if outcome.frames and name not in (*outcome.hanging, *outcome.unwritten):
            console.print(f"written  {path}")
