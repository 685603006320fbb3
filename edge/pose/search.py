"""Where a picture is searched for bodies that are too small to be found in the whole of it."""

from __future__ import annotations

from edge.pose.region import Region

TILE_SIZES = (1.0, 0.75, 0.5)
"""Squares that are searched, besides the whole picture, as parts of the picture's shorter side.
The detector finds bodies from about a quarter of its square up."""


def search_levels(height: int, width: int) -> list[list[Region]]:
    """Squares that cover a picture: the whole of it, then per size of :data:`TILE_SIZES` a grid, half overlapping."""
    levels = [[Region(width / 2, height / 2, max(height, width))]]
    for part in TILE_SIZES:
        side = int(part * min(height, width))
        levels.append([Region(x, y, side) for y in _centres(height, side) for x in _centres(width, side)])
    return levels


def _centres(length: int, side: int) -> list[float]:
    """Middles of the fewest stretches of ``side`` that cover ``length``, neighbours sharing at least half.

    Stretches begin at whole pixels.
    """
    count = 1 + -(-2 * (length - side) // side)
    return [(length - side) * n // max(count - 1, 1) + side / 2 for n in range(count)]
