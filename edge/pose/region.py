"""Square, rotated regions of an image: the input of a pose network, and the mapping back to pixels."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge.contract.types import Float32

Point = Sequence[float] | NDArray[np.floating]
"""(2,) x and y."""

REGION_SCALE = 1.25
"""Side of a body's region, in diameters of the circle that encloses the body. MediaPipe's value."""


@dataclass(frozen=True)
class Region:
    """A square of the image, which may reach beyond the image.

    x, y: centre in pixels. side: edge length in pixels. rotation: clockwise, in radians.
    """

    x: float
    y: float
    side: float
    rotation: float = 0.0

    def to_image(self, points: Float32) -> Float32:
        """Map points (..., 2) in 0..1 of the region to pixels of the image."""
        axes = np.array(self.axes, np.float32).reshape(3, 2)
        pixels: Float32 = points @ axes[:2] + axes[2]
        return pixels

    @property
    def axes(self) -> tuple[float, ...]:
        """x and y, in pixels, of the upper edge, of the left edge, and of the upper left corner."""
        cos, sin = self.side * math.cos(self.rotation), self.side * math.sin(self.rotation)
        return cos, sin, -sin, cos, self.x - (cos - sin) / 2, self.y - (sin + cos) / 2


def body_region(centre: Point, rim: Point) -> Region:
    """The region in which a body is upright.

    centre: (2,) pixels of the mid-hip. rim: (2,) pixels of the point above the head, along the body's axis, on the
    circle around the mid-hip that encloses the body.
    """
    dx, dy = float(rim[0] - centre[0]), float(rim[1] - centre[1])
    return Region(float(centre[0]), float(centre[1]), 2 * REGION_SCALE * math.hypot(dx, dy), math.atan2(dx, -dy))


def iou(a: Region, b: Region) -> float:
    """Intersection over union of two regions, 0..1, with their rotation ignored."""
    width = min(a.x + a.side / 2, b.x + b.side / 2) - max(a.x - a.side / 2, b.x - b.side / 2)
    height = min(a.y + a.side / 2, b.y + b.side / 2) - max(a.y - a.side / 2, b.y - b.side / 2)
    shared = max(width, 0.0) * max(height, 0.0)
    return shared / (a.side**2 + b.side**2 - shared) if shared else 0.0
