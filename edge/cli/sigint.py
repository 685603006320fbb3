"""Ctrl-C before the loop handles it: no traceback while modules are imported, nor from pressing it twice."""

from __future__ import annotations

import math
import signal
import time
from types import FrameType

REPEAT_S = 1.0
"""A second Ctrl-C within this time is ignored: it would interrupt the cleaning up after the first."""


def exit_silently_on_sigint() -> None:
    """Give SIGINT its default action, which ends the process, unless it is ignored."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)


def raise_on_sigint() -> None:
    """Make Ctrl-C raise KeyboardInterrupt again."""
    raised_s = -math.inf

    def handle(signum: int, frame: FrameType | None) -> None:
        nonlocal raised_s
        if time.monotonic() - raised_s >= REPEAT_S:
            raised_s = time.monotonic()
            raise KeyboardInterrupt

    if signal.getsignal(signal.SIGINT) is signal.SIG_DFL:
        signal.signal(signal.SIGINT, handle)
