"""Who takes what a soak finds: one who counts events, and one who hangs."""

from __future__ import annotations

import random
import time
from collections import Counter

from edge.contract.types import Event, FrameResult


class Listener:
    """Counts the events it hears."""

    def __init__(self) -> None:
        self.heard: Counter[str] = Counter()

    def __call__(self, event: Event) -> None:
        self.heard[event.kind] += 1


class HangingSink:
    """Takes a result now and then, and hangs for many seconds in between."""

    def __init__(self, chance: random.Random) -> None:
        self._chance, self.taken = chance, 0

    def __call__(self, result: FrameResult) -> None:
        self.taken += 1
        time.sleep(self._chance.uniform(0, 20) if self._chance.random() < 0.05 else 0)
