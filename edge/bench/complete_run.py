"""Benchmarks need complete runs: one that ended early is an error."""

from __future__ import annotations

from edge.cli.exit_codes import INTERRUPTED, USER_ERROR
from edge.loop.abandon import exit_at_once
from edge.loop.outcome import RunOutcome


def require_complete(outcome: RunOutcome) -> None:
    """Raise what ended the run early. Exit at once if a stage hangs; so call it before the parts are closed."""
    if outcome.hanging_stages:
        code = INTERRUPTED if outcome.interrupted else USER_ERROR
        exit_at_once(outcome, code, "interrupted" if outcome.ended_by is None else f"error: {outcome.ended_by}")
    if outcome.interrupted:
        raise KeyboardInterrupt
    if outcome.ended_by is not None:
        raise outcome.ended_by
