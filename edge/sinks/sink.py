"""What every sink is: it takes what each turn of the loop found."""

from __future__ import annotations

from collections.abc import Callable

from edge.contract.types import FrameResult


class StopRequested(Exception):
    """Raised by a sink to end the run as if the source had ended."""


Sink = Callable[[FrameResult], None]
"""Called once a frame, in order; raises OutputError where the system refuses.

Sinks come out of context managers: a block left normally leaves whole files behind, a block left
by an exception leaves nothing, so that nobody finds half a file after an error.
"""
