"""End the process while threads of a run hang."""

from __future__ import annotations

from typing import NoReturn

from edge.cli.console import console
from edge.cli.leftover_threads import exit_now
from edge.loop.outcome import RunOutcome


def exit_at_once(outcome: RunOutcome, exit_code: int, *last_lines: str) -> NoReturn:
    """Exit although threads hang; a normal exit would wait for them, or close what they use."""
    console.print(f"warning: abandoned, because it does not respond: {', '.join(outcome.hanging)}")
    for line in last_lines:
        console.print(line)
    exit_now(exit_code)
