"""What the process has in memory, watched while something else runs."""

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


class Memory:
    """What the process had in memory. samples: seconds since this was made, and MB."""

    def __init__(self) -> None:
        self.samples: list[tuple[float, float]] = []
        self._start = time.monotonic()

    def watched(self) -> AbstractContextManager[None]:
        """Samples are taken while the block runs."""
        return run_periodically(self._sample, SAMPLED_EVERY_S, "memory")

    def _sample(self) -> None:
        resident = int(STATM.read_text(encoding="ascii").split()[1]) * PAGE_BYTES / 1e6
        self.samples.append((time.monotonic() - self._start, resident))

    def by_minute(self) -> tuple[float, ...]:
        """MB, the median of each minute."""
        minutes = range(int(self.samples[-1][0] // 60) + 1 if self.samples else 0)
        within = ([mb for at, mb in self.samples if at // 60 == n] for n in minutes)
        return tuple(round(float(np.median(values)), 2) for values in within if values)

    def growth_mb(self, from_s: float) -> float:
        """What memory grew by from ``from_s`` to the end, at the rate from the first quarter of that to the last.

        A quarter's level is the mean of its samples without the fifth that is least and the fifth that is greatest: a
        camera that is away for a moment takes its decoder with it, tens of megabytes, and a frame more or less under
        way is no leak, however often it comes and goes. A steady leak comes out as it is, what is taken once and
        kept as four thirds of it.
        """
        # Of SciPy, which `--help` need not wait for.
        from scipy.stats import trim_mean

        after = np.array([sample for sample in self.samples if sample[0] >= from_s])
        if len(after) < 2:
            return 0.0
        quarter = -(-len(after) // 4)
        (first_s, first_mb), (last_s, last_mb) = (trim_mean(part, 0.2) for part in (after[:quarter], after[-quarter:]))
        return float((last_mb - first_mb) / (last_s - first_s) * (after[-1, 0] - after[0, 0]))
