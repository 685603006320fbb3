"""Ctrl-C while a command's modules are still loaded, a second or so: nothing is begun, so nothing is said."""

from __future__ import annotations

import signal


def exit_silently_on_sigint() -> None:
    """From now on Ctrl-C ends the process as it ends one that is not Python's, unless it was told to ignore that."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)


def raise_on_sigint() -> None:
    """Ctrl-C raises KeyboardInterrupt again."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_DFL:
        signal.signal(signal.SIGINT, signal.default_int_handler)
