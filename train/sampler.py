"""The batches of an epoch: which clips each batch holds, and which of them each process takes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch.utils.data import Sampler

from train.data.pairs import PairKey


@dataclass(eq=False)
class BatchSampler(Sampler[list[PairKey]]):
    """Yield batches of pair keys for one of ``world`` processes, which together visit every clip once per epoch.

    A remainder too small for a batch is left out. ``world`` processes with batches of B take the same steps as one
    process with batches of ``world`` * B: each takes every ``world``-th clip. balanced: draw classes, not clips, with
    equal probability. Set :attr:`epoch` before iterating; the order depends only on it and on ``seed``.
    """

    labels: NDArray[np.int64]
    batch: int
    seed: int
    balanced: bool = False
    accumulate: int = 1
    rank: int = 0
    world: int = 1
    epoch: int = 0

    def __iter__(self) -> Iterator[list[PairKey]]:
        rng = np.random.default_rng((self.seed, 0, self.epoch))
        order = rng.permutation(len(self.labels))
        if self.balanced:
            weights = 1 / np.bincount(self.labels)[self.labels]
            order = rng.choice(len(order), len(order), p=weights / weights.sum())
        for start, stop in self._bounds():
            places = range(start + self.rank, stop, self.world)
            yield [PairKey(int(order[place]), self.epoch, place) for place in places]

    def __len__(self) -> int:
        return sum(1 for _ in self._bounds())

    def _bounds(self) -> Iterator[tuple[int, int]]:
        """(start, stop) of each global batch, of equal size in every process, with at least two clips for BatchNorm.

        The accumulated batches of one step have one size, so that their clips weigh the same.
        """
        together = self.batch * self.world
        for start in range(0, len(self.labels), together * self.accumulate):
            left = min(together * self.accumulate, len(self.labels) - start)
            size = left // (self.world * self.accumulate) * self.world
            if size >= 2 * self.world:
                for part in range(self.accumulate):
                    yield start + part * size, start + (part + 1) * size
