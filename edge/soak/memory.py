"""Sample the process's resident memory while something else runs."""

from __future__ import annotations

import os
import time
from array import array
from contextlib import AbstractContextManager
from itertools import groupby
from pathlib import Path

import numpy as np

from edge.periodic import run_periodically

STATM = Path("/proc/self/statm")
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
SAMPLED_EVERY_S = 1.0


class MemoryMonitor:
    """Keeps the samples in arrays: as a list of tuples they would grow by 3 MB in eight hours."""

    def __init__(self) -> None:
        self._seconds, self._mb = array("d"), array("d")
        self._start = time.monotonic()

    def add(self, seconds: float, mb: float) -> None:
        """Add a sample: seconds since the monitor was created, and resident MB."""
        self._seconds.append(seconds)
        self._mb.append(mb)

    @property
    def samples(self) -> list[tuple[float, float]]:
        """All samples, see :meth:`add`."""
        return list(zip(self._seconds, self._mb, strict=True))

    def running(self) -> AbstractContextManager[None]:
        """Take samples while the block runs."""
        return run_periodically(self._sample, SAMPLED_EVERY_S, "memory")

    def _sample(self) -> None:
        resident = int(STATM.read_text(encoding="ascii").split()[1]) * PAGE_BYTES / 1e6
        self.add(time.monotonic() - self._start, resident)

    def by_minute(self) -> tuple[float, ...]:
        """Median MB of each minute."""
        minutes = groupby(self.samples, lambda sample: sample[0] // 60)
        return tuple(round(float(np.median([mb for _, mb in samples])), 2) for _, samples in minutes)

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
