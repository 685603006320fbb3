"""Sample the process's resident memory while something else runs."""

from __future__ import annotations

import os
import time
from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np

from edge.periodic import run_periodically

STATM = Path("/proc/self/statm")
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
SAMPLED_EVERY_S = 1.0


class MemoryMonitor:
    """samples: seconds since the monitor was created, and resident MB."""

    def __init__(self) -> None:
        self.samples: list[tuple[float, float]] = []
        self._start = time.monotonic()

    def running(self) -> AbstractContextManager[None]:
        """Take samples while the block runs."""
        return run_periodically(self._sample, SAMPLED_EVERY_S, "memory")

    def _sample(self) -> None:
        resident = int(STATM.read_text(encoding="ascii").split()[1]) * PAGE_BYTES / 1e6
        self.samples.append((time.monotonic() - self._start, resident))

    def by_minute(self) -> tuple[float, ...]:
        """Median MB of each minute."""
        minutes = range(int(self.samples[-1][0] // 60) + 1 if self.samples else 0)
        within = ([mb for at, mb in self.samples if at // 60 == n] for n in minutes)
        return tuple(round(float(np.median(values)), 2) for values in within if values)

    def growth_mb(self, from_s: float) -> float:
        """Memory growth from ``from_s`` to the end, at the rate between the first and the last quarter of that time.

        Each quarter's level is a trimmed mean, without the lowest and the highest fifth of its samples. A lost camera
        frees its decoder, tens of MB, for a moment, and the number of frames in flight varies; neither is a leak. A
        steady leak is reported as it is, a single allocation that is kept as 4/3 of its size.
        """
        # Importing SciPy would slow down `--help`.
        from scipy.stats import trim_mean

        after = np.array([sample for sample in self.samples if sample[0] >= from_s])
        if len(after) < 2:
            return 0.0
        quarter = -(-len(after) // 4)
        (first_s, first_mb), (last_s, last_mb) = (trim_mean(part, 0.2) for part in (after[:quarter], after[-quarter:]))
        return float((last_mb - first_mb) / (last_s - first_s) * (after[-1, 0] - after[0, 0]))
