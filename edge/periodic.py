"""Call a function at intervals on its own thread."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def run_periodically(work: Callable[[], object], every_s: float, name: str) -> Iterator[None]:
    """Call ``work`` every ``every_s`` seconds while the block runs. name: of the thread."""
    ended = threading.Event()

    def run() -> None:
        while not ended.wait(every_s):
            work()

    thread = threading.Thread(target=run, name=name, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
