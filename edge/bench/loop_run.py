"""Run the camera loop once over a source and collect its figures."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from edge.cli.console import console, print_warning
from edge.cli.exit_codes import USER_ERROR
from edge.cli.interruption import Interruption, interruptible
from edge.latency import Latency, LatencyHistory
from edge.loop.config import RunConfig
from edge.loop.outcome import Limits, RunOutcome
from edge.loop.outputs import sink_workers
from edge.loop.parts import open_parts

if TYPE_CHECKING:
    from edge.contract.types import Float32, FrameResult


@dataclass(frozen=True)
class LoopRun:
    """stages: see :meth:`edge.latency.LatencyHistory.summary`; values_ms: the values behind them. parts: descriptions
    of what ran, by name."""

    outcome: RunOutcome
    stages: dict[str, Latency]
    values_ms: dict[str, Float32]
    parts: dict[str, str]

    def figures(self) -> dict[str, Any]:
        """For latency.json."""
        return {
            "frames": self.outcome.frames,
            "frames_per_s": round(self.outcome.frames_per_s, 2),
            "dropped": self.outcome.dropped,
            "failed": self.outcome.failed,
            "stages": {name: row.figures() for name, row in self.stages.items()},
        }


def loop_run(
    config: RunConfig,
    warm_up_frames: int,
    on_result: Callable[[FrameResult], None] = lambda result: None,
    around: AbstractContextManager[object] | None = None,
) -> LoopRun:
    """Run the loop like ``python -m edge run``, with the outputs of ``config``, and raise what that raises.

    around: entered while frames run, but not while networks are opened or closed, which takes a board just as long at
    another power.
    """
    from edge.loop.pipeline import Pipeline

    history = LatencyHistory(warm_up_frames)
    with open_parts(config) as parts:
        described = parts.describe()
        pipeline = Pipeline(
            parts.source,
            parts.pose,
            parts.action,
            sink_workers(config, parts, history, print_warning),
            history,
            limits=Limits(config.frames, config.limit_s),
            on_result=on_result,
            warn=print_warning,
        )
        with around or nullcontext(), interruptible(pipeline.stop) as stop:
            outcome = pipeline.run()
        require_complete(outcome, stop)
    return LoopRun(outcome, history.summary(), history.values(), described)


def require_complete(outcome: RunOutcome, stop: Interruption) -> None:
    """Raise what ended the run early. Exit at once if a stage hangs; so call it before the parts are closed."""
    if outcome.hanging_stages:
        code = stop.exit_code if stop.signum else USER_ERROR
        outcome.exit_at_once(code, "interrupted" if outcome.ended_by is None else f"error: {outcome.ended_by}")
    if stop.signum:
        console.print("interrupted")
        raise SystemExit(stop.exit_code)
    if outcome.ended_by is not None:
        raise outcome.ended_by
