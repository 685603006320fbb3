"""Where and when a frame is searched for bodies that nobody follows yet, and that may be small in the whole of it."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import cycle

from edge.contract.types import TIME_TOLERANCE_S
from edge.pose.region import Region

TILE_SIZES = (1.0, 0.75, 0.5)
"""Squares that are searched, besides the whole frame, as parts of the frame's shorter side.
The detector finds bodies from about a quarter of its square up."""


class Search:
    """One square has its turn in a frame at most: the whole frame, then one of each smaller size, and again.

    every_s: while nobody is missing, all sizes have had a turn in so many seconds of the source's clock, whatever its
    frame rate; 0 for a turn in every frame. turns: in that time; those beyond the four sizes are for something else.
    """

    def __init__(self, every_s: float, turns: int = 1 + len(TILE_SIZES)) -> None:
        self._turn_s = every_s / turns
        self._squares: Iterator[Region] = iter(())
        self._last: int | None = None

    def begin(self, height: int, width: int) -> list[Region]:
        """Frames have this size from now on. All squares of one."""
        levels = search_levels(height, width)
        self._squares = (next(squares) for squares in cycle([cycle(level) for level in levels]))
        self._last = None
        return [square for level in levels for square in level]

    def is_turn(self, time_s: float | None, hurry: bool) -> bool:
        """Whether there is a turn in the frame of that time: with ``hurry``, or without a clock, in every one."""
        if time_s is None or not self._turn_s:
            return True
        before, self._last = self._last, int((time_s + TIME_TOLERANCE_S) / self._turn_s)
        return hurry or self._last != before

    def square(self) -> Region:
        """The one whose turn it is."""
        return next(self._squares)


def search_levels(height: int, width: int) -> list[list[Region]]:
    """Squares that cover a frame: the whole of it, then per size of :data:`TILE_SIZES` a grid, half overlapping."""
    levels = [[Region(width / 2, height / 2, max(height, width))]]
    for part in TILE_SIZES:
        side = max(int(part * min(height, width)), 1)
        levels.append([Region(x, y, side) for y in _centres(height, side) for x in _centres(width, side)])
    return levels


def _centres(length: int, side: int) -> list[float]:
    """Middles of the fewest stretches of ``side`` that cover ``length``, neighbours sharing at least half.

    Stretches begin at whole pixels.
    """
    count = 1 + -(-2 * (length - side) // side)
    return [(length - side) * n // max(count - 1, 1) + side / 2 for n in range(count)]
