"""The sinks of a soak test: one counts events, one blocks at random."""

from __future__ import annotations

import random
import time
from collections import Counter

from edge.contract.types import Event, FrameResult


class EventCounter:
    """Counts the events it receives, by kind."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()

    def __call__(self, event: Event) -> None:
        self.counts[event.kind] += 1


class BlockingSink:
    """Receives results, and blocks for up to 20 s after one in twenty."""

    def __init__(self, rng: random.Random) -> None:
        self._rng, self.received = rng, 0

    def __call__(self, result: FrameResult) -> None:
        self.received += 1
        time.sleep(self._rng.uniform(0, 20) if self._rng.random() < 0.05 else 0)
