"""Ctrl-C and `docker stop`: the frame under way is finished, files are closed whole."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType


@dataclass
class Interruption:
    """signum: of the signal that asked to stop, 0 so far."""

    signum: int = 0

    @property
    def exit_code(self) -> int:
        """As shells have it: 130 after Ctrl-C, 143 after `docker stop`."""
        return 128 + self.signum


@contextmanager
def interruptible() -> Iterator[Interruption]:
    """Inside the block SIGINT and SIGTERM are noted; a second one raises KeyboardInterrupt, for what hangs."""
    noted = Interruption()
    if threading.current_thread() is not threading.main_thread():
        yield noted  # only the main thread may choose what signals do
        return

    def note(signum: int, _: FrameType | None) -> None:
        if noted.signum:
            raise KeyboardInterrupt
        noted.signum = signum

    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield noted
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
