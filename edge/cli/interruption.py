"""Ctrl-C, `docker stop` and a lost connection: the frame under way is finished, files are closed whole."""

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
    """signum: of the signal that asked to stop, 0 so far."""

    signum: int = 0

    @property
    def exit_code(self) -> int:
        """As shells have it: 130 after Ctrl-C, 143 after `docker stop`, 129 after the terminal was closed."""
        return 128 + self.signum


@contextmanager
def interruptible(on_signal: Callable[[], None] = lambda: None) -> Iterator[Interruption]:
    """Inside the block SIGINT, SIGTERM and SIGHUP are noted; a second one raises KeyboardInterrupt, for what hangs.

    on_signal: called after the first one, on a thread of its own: a signal's handler interrupts the main
    thread anywhere, also where it holds a lock, and so must not take one.
    """
    noted = Interruption()
    if threading.current_thread() is not threading.main_thread():
        yield noted  # only the main thread may choose what signals do
        return
    letterbox: queue.SimpleQueue[bool] = queue.SimpleQueue()

    def note(signum: int, _: FrameType | None) -> None:
        if noted.signum:
            raise KeyboardInterrupt
        noted.signum = signum
        letterbox.put(True)

    def watch() -> None:
        if letterbox.get():
            on_signal()

    watcher = threading.Thread(target=watch, name="signals", daemon=True)
    watcher.start()
    wanted = [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # which nohup has ignored
        wanted.append(signal.SIGHUP)
    before = {number: signal.signal(number, note) for number in wanted}
    try:
        yield noted
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        letterbox.put(False)
        watcher.join()
