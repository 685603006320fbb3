"""Place labels above heads, covering no other label or head, and panels in a free corner."""

from __future__ import annotations

from collections.abc import Sequence

from edge.contract.box import Box

Rectangle = tuple[int, int, int, int]
"""Left, top, width, height in pixels."""

HEAD_HEIGHT = 0.2
"""Fraction of a body's height."""

LABEL_COST, HEAD_COST, DISTANCE_COST = 10.0, 3.0, 0.125
"""Cost of covering another label, or a head, with the label's whole area, and of moving it by its own width."""


def place(
    label: tuple[int, int],
    body: Box,
    image: tuple[int, int],
    margin: int,
    heads: Sequence[Rectangle],
    taken: Sequence[Rectangle],
) -> tuple[int, int]:
    """Return the upper left corner of a label (width, height) for ``body`` in an ``image`` (width, height).

    margin: pixels kept free around labels. heads, taken: heads and placed labels, which it should not cover.
    """
    width, height = label
    left, top, right, bottom = body
    x, y = (left + right - width) / 2, top - height - 5 * margin
    rows, columns = (0, 0.5, 1, 2), (0, -0.5, 0.5)
    candidates = [(x + across * width, y - up * (height + margin)) for up in rows for across in columns]
    candidates += [(x - 0.8 * width, y), (x + 0.8 * width, y), (x, bottom + margin)]

    def cost(at: tuple[int, int]) -> float:
        spot = (*at, width, height)
        covered = LABEL_COST * sum(_overlap_area(spot, other) for other in taken)
        covered += HEAD_COST * sum(_overlap_area(spot, other) for other in heads)
        return covered / (width * height) + DISTANCE_COST * (abs(at[0] - x) + abs(at[1] - y)) / width

    spots = ((_clamp(at[0], image[0] - width, margin), _clamp(at[1], image[1] - height, margin)) for at in candidates)
    return min(spots, key=cost)


def place_in_corner(
    panel: tuple[int, int], image: tuple[int, int], margin: int, occupied: Sequence[Rectangle]
) -> tuple[int, int]:
    """Return the upper left corner of a panel (width, height) in an ``image`` (width, height).

    It goes to the lower right, upper right or upper left, wherever it covers least of ``occupied``; earlier ones win.
    """
    (width, height), right, bottom = panel, image[0] - margin - panel[0], image[1] - margin - panel[1]
    spots = ((right, bottom), (right, margin), (margin, margin))
    return min(spots, key=lambda spot: sum(_overlap_area((*spot, width, height), other) for other in occupied))


def rectangle(box: Box, part: float = 1.0) -> Rectangle:
    """The box in whole pixels. part: of its height, from the top."""
    left, top, right, bottom = box
    return round(left), round(top), round(right - left), round(part * (bottom - top))


def _clamp(at: float, room: int, margin: int) -> int:
    return round(min(max(at, margin), max(margin, room - margin)))


def _overlap_area(a: Rectangle, b: Rectangle) -> int:
    width = min(a[0] + a[2], b[0] + b[2]) - max(a[0], b[0])
    height = min(a[1] + a[3], b[1] + b[3]) - max(a[1], b[1])
    return max(width, 0) * max(height, 0)
