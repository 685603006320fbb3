"""What is done again and again, on a thread of its own, while something else runs."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def run_periodically(work: Callable[[], object], every_s: float, name: str) -> Iterator[None]:
    """``work`` is called every so many seconds while the block runs, and not once it is left. name: the thread's."""
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
