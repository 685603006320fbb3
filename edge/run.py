"""``python -m edge run``: open everything, run the loop, print a summary."""

from __future__ import annotations

from typing import Any, NoReturn

from edge.capture.source import Source
from edge.cli.console import console, print_warning
from edge.cli.exit_codes import USER_ERROR
from edge.cli.interruption import Interruption, interruptible
from edge.contract.bundle import Bundle
from edge.contract.errors import SourceError
from edge.contract.files import write_json
from edge.latency import LatencyHistory, latency_table, rounded
from edge.loop.config import RunConfig
from edge.loop.outcome import Limits, RunOutcome
from edge.loop.outputs import sink_workers
from edge.loop.parts import Parts, open_parts
from edge.loop.progress import progress_line
from edge.machine import machine
from edge.recognition.recogniser import precision_of

WARM_UP_FRAMES = 10
"""Left out of the statistics: runtimes select kernels and allocate memory in their first runs."""


def run(config: RunConfig) -> None:
    """Run until the source ends, a limit is reached, the window is closed, or a signal comes.

    Files are kept after Ctrl-C, which also prints the summary and exits with code 130, and after errors as
    :meth:`edge.loop.pipeline.Pipeline.run` says. Raises SourceError for a recording without people.
    """
    with open_parts(config) as parts:
        parts.introduce(config.self_test)
        history = LatencyHistory(WARM_UP_FRAMES)
        outcome, stop = _run(config, parts, history)
        print_summary(config, outcome, history)
        if stop.signum:
            console.print("interrupted; the output so far is kept" if config.files else "interrupted")
        if outcome.hanging:
            _abandon(config, outcome, stop)
    if stop.signum:
        if outcome.unwritten:
            console.print(f"error: {outcome.ended_by}")
        raise SystemExit(stop.exit_code)
    if outcome.ended_by is not None:
        raise outcome.ended_by


def _run(config: RunConfig, parts: Parts, history: LatencyHistory) -> tuple[RunOutcome, Interruption]:
    """Run the loop, and write ``config.report``."""
    # Imports OpenCV, which would slow down `--help`.
    from edge.loop.pipeline import Pipeline

    source, limits = parts.source, Limits(config.frames, config.limit_s)
    with progress_line(limits.total(source)) as show_progress:
        pipeline = Pipeline(
            source,
            parts.pose,
            parts.action,
            sink_workers(config, parts, history, console.print),
            history,
            limits=limits,
            on_result=show_progress,
            validate=lambda outcome: _require_people(config, source, outcome),
            warn=print_warning,
        )
        with interruptible(pipeline.stop) as stop:
            outcome = pipeline.run()
            if stop.signum and not outcome.frames and not outcome.hanging:
                console.print("interrupted before the first frame; nothing was written")
                raise SystemExit(stop.exit_code)
            if config.report is not None:
                figures = {"machine": machine(), **parts.describe(), **_figures(config, parts.bundle, outcome, history)}
                write_json(config.report, figures)
    return outcome, stop


def _abandon(config: RunConfig, outcome: RunOutcome, stop: Interruption) -> NoReturn:
    errors = [] if outcome.ended_by is None else [f"error: {outcome.ended_by}"]
    if lost := [str(path) for name, path in config.files.items() if name in outcome.hanging]:
        errors.append(f"error: not written: {', '.join(lost)}; try a faster disk or codec, or smaller frames")
    outcome.exit_at_once(stop.exit_code if stop.signum else USER_ERROR if errors else 0, *errors)


def _require_people(config: RunConfig, source: Source, outcome: RunOutcome) -> None:
    """Raise SourceError for a recording without people: it is most likely the wrong one, or upside down."""
    if outcome.times.seconds or outcome.failed or source.live or source.uri.startswith("replay://"):
        return
    if outcome.with_poses:
        raise SourceError(
            f"nobody could be tracked: bodies were seen in {outcome.with_poses} of {outcome.frames} frames, "
            f"never in {config.tracker.birth_hits} in a row",
            where=source.uri,
            hint="process more frames, give a steadier recording, or lower tracker.birth_hits",
        )
    raise SourceError(
        f"no person in view in {outcome.frames} frames",
        where=source.uri,
        hint="give a recording in which bodies are at least a tenth of the frame's height, or another pose estimator",
    )


def _figures(config: RunConfig, bundle: Bundle, outcome: RunOutcome, history: LatencyHistory) -> dict[str, Any]:
    return {
        "precision": precision_of(bundle, config.recogniser),
        "threads": {"pose": config.pose.threads, "student": config.recogniser.threads},
        "frames": outcome.frames,
        "frames_per_s": round(outcome.frames_per_s, 2),
        "frames_dropped": outcome.dropped,
        "frames_failed": outcome.failed,
        "given_up": outcome.dropped_by_sink,
        "latency": {stage: row.figures() for stage, row in history.summary().items()},
        "action_seconds": {track_id: rounded(by_label) for track_id, by_label in outcome.times.seconds.items()},
    }


def print_summary(config: RunConfig, outcome: RunOutcome, history: LatencyHistory) -> None:
    """Print tables, warnings and the paths of the files."""
    rate = f"{outcome.frames} frames in {outcome.seconds:.1f} s, {outcome.frames_per_s:.1f} per second"
    console.print(latency_table(history.summary(), f"Latency: {rate}"))
    if outcome.dropped:
        console.print(f"camera frames dropped for newer ones: {outcome.dropped}")
    for name, count in outcome.dropped_by_sink.items():
        console.print(f"output {name} was too slow: results dropped for newer ones: {count}")
    if outcome.failed:
        console.print(f"warning: {outcome.failed} frames have no result, because a stage failed")
    if (table := outcome.times.table()).rows:
        console.print(table)
    elif outcome.times.seconds:
        console.print("warning: no action was recognised: nobody was in two frames less than half a second apart")
    else:
        console.print("warning: nobody was in view")
    for name, path in config.files.items():
        if outcome.frames and name not in (*outcome.hanging, *outcome.unwritten):
            console.print(f"written  {path}")
