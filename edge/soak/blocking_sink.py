"""A sink that blocks at random, for a soak test."""

from __future__ import annotations

import random
import time

from edge.contract.types import FrameResult


class BlockingSink:
    """Receives results, and blocks for up to 20 s after one in twenty."""

    def __init__(self, rng: random.Random) -> None:
        self._rng, self.received = rng, 0

    def __call__(self, result: FrameResult) -> None:
        self.received += 1
        time.sleep(self._rng.uniform(0, 20) if self._rng.random() < 0.05 else 0)
