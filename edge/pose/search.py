"""When and in which squares a frame is searched for new bodies, which may be small in the whole frame."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import cycle

from edge.contract.types import TIME_TOLERANCE_S
from edge.pose.region import Region

TILE_SIZES = (1.0, 0.75, 0.5)
"""Sides of the squares that are searched besides the whole frame, as parts of the frame's shorter side. The detector
finds bodies from about a quarter of its square up."""

MAX_ASPECT = 32
"""In frames that are longer, in relation to their shorter side, only the whole frame is searched."""


class Search:
    """Searches at most one square per frame: the whole frame, then one square of each smaller size, and again.

    every_s: interval, in seconds of the source's clock, in which all sizes get a turn at any frame rate; 0 for a turn
    in every frame. turns: in that interval; those beyond the number of sizes are the caller's.
    """

    def __init__(self, every_s: float, turns: int = 1 + len(TILE_SIZES)) -> None:
        self._turn_s = every_s / turns
        self._squares: Iterator[Region] = iter(())
        self._last: int | None = None

    def reset(self, height: int, width: int) -> list[Region]:
        """Start again with frames of this size. Returns all their squares."""
        levels = search_levels(height, width)
        self._squares = (next(squares) for squares in cycle([cycle(level) for level in levels]))
        return [square for level in levels for square in level]

    def is_due(self, time_s: float | None, every_frame: bool) -> bool:
        """Whether the frame of that time has a turn; always with ``every_frame``, and without a clock."""
        if time_s is None or not self._turn_s:
            return True
        before, self._last = self._last, int((time_s + TIME_TOLERANCE_S) / self._turn_s)
        return every_frame or self._last != before

    def next_square(self) -> Region:
        return next(self._squares)


def search_levels(height: int, width: int) -> list[list[Region]]:
    """Squares that cover a frame: the whole frame, then a half overlapping grid per size of :data:`TILE_SIZES`."""
    levels = [[Region(width / 2, height / 2, max(height, width))]]
    # It would take thousands of squares to cover a strip of a few pixels.
    for part in TILE_SIZES if max(height, width) <= MAX_ASPECT * min(height, width) else ():
        side = max(int(part * min(height, width)), 1)
        levels.append([Region(x, y, side) for y in _centres(height, side) for x in _centres(width, side)])
    return levels


def _centres(length: int, side: int) -> list[float]:
    """Centres of the fewest intervals of ``side`` that cover ``length``, neighbours sharing at least half.

    Intervals begin at whole pixels.
    """
    count = 1 + -(-2 * (length - side) // side)
    return [(length - side) * n // max(count - 1, 1) + side / 2 for n in range(count)]
