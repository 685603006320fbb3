"""Ctrl-C while modules are imported: no traceback."""

from __future__ import annotations

import signal


def exit_silently_on_sigint() -> None:
    """Give SIGINT its default action, which ends the process, unless it is ignored."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
