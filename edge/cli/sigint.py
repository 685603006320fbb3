"""Ctrl-C during the second or so in which modules are imported: exit without a traceback."""

from __future__ import annotations

import signal


def exit_silently_on_sigint() -> None:
    """Give SIGINT its default action, which ends the process, unless it is ignored."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)


def raise_on_sigint() -> None:
    """Make Ctrl-C raise KeyboardInterrupt again."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_DFL:
        signal.signal(signal.SIGINT, signal.default_int_handler)
