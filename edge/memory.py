"""What the process has in memory, watched while something else runs."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

STATM = Path("/proc/self/statm")
PAGE_BYTES = 4096


class Memory:
    """Samples what the process has in memory, in MB, on a thread of its own."""

    def __init__(self) -> None:
        self.samples: list[tuple[float, float]] = []
        self._stop = threading.Event()
        self._start = time.monotonic()

    @contextmanager
    def watched(self) -> Iterator[None]:
        thread = threading.Thread(target=self._work, name="memory", daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._stop.set()
            thread.join()

    def _work(self) -> None:
        while not self._stop.wait(1.0):
            resident = int(STATM.read_text(encoding="ascii").split()[1]) * PAGE_BYTES / 1e6
            self.samples.append((time.monotonic() - self._start, resident))

    def by_minute(self) -> tuple[float, ...]:
        """MB, the median of each minute."""
        minutes = range(int(self.samples[-1][0] // 60) + 1 if self.samples else 0)
        within = ([mb for at, mb in self.samples if at // 60 == n] for n in minutes)
        return tuple(round(float(np.median(values)), 2) for values in within if values)

    def growth_mb(self, from_s: float) -> float:
        """From the least of the first tenth of the samples after ``from_s`` to the least of the last tenth."""
        values = [mb for at, mb in self.samples if at >= from_s]
        tenth = max(1, len(values) // 10)
        return min(values[-tenth:]) - min(values[:tenth]) if values else 0.0
