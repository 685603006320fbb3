"""The interface of sinks."""

from __future__ import annotations

from collections.abc import Callable

from edge.contract.types import FrameResult


class StopRequested(Exception):
    """Raise it in a sink to end the run as if the source had ended."""


Sink = Callable[[FrameResult], object]
"""Called once per frame, in order. Raises OutputError if it cannot write.

A context manager yields it: leaving the block normally completes the file, leaving it by an exception discards it.
"""
