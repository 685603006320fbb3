"""Where labels go, above heads and over neither each other nor anybody's head, and panels, into a free corner."""

from __future__ import annotations

from collections.abc import Sequence

from edge.contract.box import Box

Rectangle = tuple[int, int, int, int]
"""Left, top, width, height in pixels."""

HEAD = 0.2
"""Part of a body's height."""

COVERED_LABEL, COVERED_HEAD, FAR = 10.0, 3.0, 0.125
"""What covering a whole label's area costs, and lying a label's width from the wished place."""


def place(
    label: tuple[int, int],
    body: Box,
    image: tuple[int, int],
    margin: int,
    heads: Sequence[Rectangle],
    taken: Sequence[Rectangle],
) -> tuple[int, int]:
    """Upper left corner of a label (width, height) for ``body`` in an ``image`` (width, height).

    margin: pixels kept free around labels. heads, taken: what should not be covered, labels least of all.
    """
    width, height = label
    left, top, right, bottom = body
    x, y = (left + right - width) / 2, top - height - 5 * margin
    wishes = [(x + across * width, y - up * (height + margin)) for up in (0, 0.5, 1, 2) for across in (0, -0.5, 0.5)]
    wishes += [(x - 0.8 * width, y), (x + 0.8 * width, y), (x, bottom + margin)]

    def cost(at: tuple[int, int]) -> float:
        spot = (*at, width, height)
        covered = COVERED_LABEL * sum(_shared(spot, other) for other in taken)
        covered += COVERED_HEAD * sum(_shared(spot, other) for other in heads)
        return covered / (width * height) + FAR * (abs(at[0] - x) + abs(at[1] - y)) / width

    spots = (
        (_inside(wish[0], image[0] - width, margin), _inside(wish[1], image[1] - height, margin)) for wish in wishes
    )
    return min(spots, key=cost)


def corner(
    panel: tuple[int, int], image: tuple[int, int], margin: int, occupied: Sequence[Rectangle]
) -> tuple[int, int]:
    """Upper left corner of a panel (width, height) in a corner of an ``image`` (width, height).

    The lower right one, or the upper ones where that covers less of what is ``occupied``.
    """
    (width, height), right, bottom = panel, image[0] - margin - panel[0], image[1] - margin - panel[1]
    spots = ((right, bottom), (right, margin), (margin, margin))
    return min(spots, key=lambda spot: sum(_shared((*spot, width, height), other) for other in occupied))


def body_rectangle(body: Box) -> Rectangle:
    """All of a body."""
    left, top, right, bottom = body
    return round(left), round(top), round(right - left), round(bottom - top)


def head_rectangle(body: Box) -> Rectangle:
    """The upper fifth of a body's box."""
    left, top, right, bottom = body
    return round(left), round(top), round(right - left), round(HEAD * (bottom - top))


def _inside(at: float, room: int, margin: int) -> int:
    return round(min(max(at, margin), max(margin, room - margin)))


def _shared(a: Rectangle, b: Rectangle) -> int:
    """Area in pixels that two rectangles have in common."""
    width = min(a[0] + a[2], b[0] + b[2]) - max(a[0], b[0])
    height = min(a[1] + a[3], b[1] + b[3]) - max(a[1], b[1])
    return max(width, 0) * max(height, 0)
