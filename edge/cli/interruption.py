"""Stop gracefully on Ctrl-C, `docker stop` or a closed terminal: finish the current frame and close all files."""

from __future__ import annotations

import queue
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType


@dataclass
class Interruption:
    """signum: the signal received, 0 if none."""

    signum: int = 0

    @property
    def exit_code(self) -> int:
        """As in shells: 130 after Ctrl-C, 143 after `docker stop`, 129 after the terminal was closed."""
        return 128 + self.signum


@contextmanager
def interruptible(on_signal: Callable[[], None] = lambda: None) -> Iterator[Interruption]:
    """Record SIGINT, SIGTERM and SIGHUP inside the block; a second one raises KeyboardInterrupt, in case a stage hangs.

    on_signal: called after the first one, on its own thread, because a signal handler may interrupt the main thread
    while it holds a lock, and so must not acquire one.
    """
    received = Interruption()
    if threading.current_thread() is not threading.main_thread():
        yield received  # only the main thread may set signal handlers
        return
    pending: queue.SimpleQueue[bool] = queue.SimpleQueue()

    def handle(signum: int, _: FrameType | None) -> None:
        if received.signum:
            raise KeyboardInterrupt
        received.signum = signum
        pending.put(True)

    def notify() -> None:
        if pending.get():
            on_signal()

    notifier = threading.Thread(target=notify, name="signals", daemon=True)
    notifier.start()
    signals = [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # nohup ignores it
        signals.append(signal.SIGHUP)
    previous = {number: signal.signal(number, handle) for number in signals}
    try:
        yield received
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
        pending.put(False)
        notifier.join()
