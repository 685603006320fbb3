"""Square, rotated regions of an image: what a pose network is shown, and the way back to pixels."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge.contract.types import Float32

Point = Sequence[float] | NDArray[np.floating]
"""(2,) x and y."""

ENLARGED = 1.25
"""Side of a body's region, in diameters of the circle that holds it. MediaPipe's value."""


@dataclass(frozen=True)
class Region:
    """A square of the image, which may reach beyond it.

    x, y: centre in pixels. side: edge length in pixels.
    rotation: radians that the square's upright is turned clockwise from the image's.
    """

    x: float
    y: float
    side: float
    rotation: float = 0.0

    def to_image(self, points: Float32) -> Float32:
        """Points (..., 2) in 0..1 of the region to pixels of the image."""
        onto = np.array(self.axes, np.float32).reshape(3, 2)
        pixels: Float32 = points @ onto[:2] + onto[2]
        return pixels

    @property
    def axes(self) -> tuple[float, ...]:
        """x and y of the region's upper edge and of its left edge, and of the corner where they begin, in pixels."""
        cos, sin = self.side * math.cos(self.rotation), self.side * math.sin(self.rotation)
        return cos, sin, -sin, cos, self.x - (cos - sin) / 2, self.y - (sin + cos) / 2


def upright(centre: Point, rim: Point) -> Region:
    """The region in which a body stands upright.

    centre, rim: (2,) pixels of the middle of the hips, and of a point above the head (along the
    body) on the circle around them that holds the whole body.
    """
    dx, dy = float(rim[0] - centre[0]), float(rim[1] - centre[1])
    return Region(float(centre[0]), float(centre[1]), 2 * ENLARGED * math.hypot(dx, dy), math.atan2(dx, -dy))


def overlap(a: Region, b: Region) -> float:
    """Intersection over union of two regions, 0..1, as if neither were rotated."""
    width = min(a.x + a.side / 2, b.x + b.side / 2) - max(a.x - a.side / 2, b.x - b.side / 2)
    height = min(a.y + a.side / 2, b.y + b.side / 2) - max(a.y - a.side / 2, b.y - b.side / 2)
    shared = max(width, 0.0) * max(height, 0.0)
    return shared / (a.side**2 + b.side**2 - shared) if shared else 0.0
