"""Stop gracefully on Ctrl-C, `docker stop` or a closed terminal: finish the current frame and close all files."""

from __future__ import annotations

import math
import queue
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
REPEAT_S = 1.0
"""A second signal within this time is ignored: it would interrupt the cleaning up after the first."""


@dataclass
class Interruption:
    """signum: the signal received, 0 if none."""

    signum: int = 0

    @property
    def exit_code(self) -> int:
        """As in shells: 130 after Ctrl-C, 143 after `docker stop`, 129 after the terminal was closed."""
        return 128 + self.signum


def raise_on_signals() -> Interruption:
    """Make SIGNALS raise KeyboardInterrupt, except those that are ignored. Returns the record of the last one raised.

    Where SIGINT has Python's own handler, as in a program that uses this package, nothing is changed.
    """
    received, raised_s = Interruption(), -math.inf

    def handle(signum: int, _: FrameType | None) -> None:
        nonlocal raised_s
        if time.monotonic() - raised_s >= REPEAT_S:
            received.signum, raised_s = signum, time.monotonic()
            raise KeyboardInterrupt

    if signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        for number in SIGNALS:
            if signal.getsignal(number) is signal.SIG_DFL:
                signal.signal(number, handle)
    return received


@contextmanager
def interruptible(on_signal: Callable[[], None] | None = None) -> Iterator[Interruption]:
    """Record the first SIGINT, SIGTERM or SIGHUP inside the block.

    on_signal: called after it, on its own thread, because a signal handler may interrupt the main thread while it holds
    a lock, and so must not acquire one. It must make the block end; further signals are ignored, because timeout(1)
    sends two, and because outputs may be just being completed. Without it, a second one raises KeyboardInterrupt.
    """
    received = Interruption()
    if threading.current_thread() is not threading.main_thread():
        yield received  # only the main thread may set signal handlers
        return
    pending: queue.SimpleQueue[bool] = queue.SimpleQueue()

    def handle(signum: int, _: FrameType | None) -> None:
        if received.signum and on_signal is None:
            raise KeyboardInterrupt
        received.signum = received.signum or signum
        pending.put(True)

    def notify() -> None:
        if pending.get() and on_signal is not None:
            on_signal()

    notifier = threading.Thread(target=notify, name="signals", daemon=True)
    notifier.start()
    is_nohup = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    previous = {number: signal.signal(number, handle) for number in (SIGNALS[:2] if is_nohup else SIGNALS)}
    try:
        yield received
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
        pending.put(False)
        notifier.join()
