"""Square, rotated regions of a picture: what a pose network is shown, and the way back to pixels."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.contract.types import Float32, Image


@dataclass(frozen=True)
class Region:
    """A square of the picture, which may reach beyond it.

    x, y: centre in pixels. side: edge length in pixels.
    rotation: radians that the square's upright is turned clockwise from the picture's.
    """

    x: float
    y: float
    side: float
    rotation: float = 0.0

    @property
    def axes(self) -> Float32:
        """(2, 2): the rotation that takes directions in the region to directions in the picture."""
        cos, sin = math.cos(self.rotation), math.sin(self.rotation)
        return np.array([[cos, -sin], [sin, cos]], np.float32)

    def to_picture(self, points: Float32) -> Float32:
        """Points (..., 2) in 0..1 of the region to pixels of the picture."""
        pixels: Float32 = (points - 0.5) @ (self.side * self.axes.T) + np.array([self.x, self.y], np.float32)
        return pixels

    def crop(self, image: Image, size: int, *, repeat_border: bool = False) -> Image:
        """The region of a BGR picture as (size, size, 3) RGB; beyond it is black, or repeats the last pixel."""
        forward = self.axes * (self.side / size)
        offset = np.array([self.x, self.y]) - forward @ np.full(2, size / 2)
        cropped = cv2.warpAffine(
            image,
            np.column_stack([forward, offset]),
            (size, size),
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_REPLICATE if repeat_border else cv2.BORDER_CONSTANT,
        )
        return np.asarray(cv2.cvtColor(cropped, cv2.COLOR_BGR2RGB), np.uint8)


def upright(centre: NDArray[np.floating], rim: NDArray[np.floating], scale: float = 1.25) -> Region:
    """The region in which a body stands upright.

    centre, rim: (2,) pixels of the middle of the hips, and of a point above the head (along the
    body) on the circle around them that holds the whole body. Source: MediaPipe's pose graph,
    where the square around that circle is enlarged by ``scale``.
    """
    dx, dy = float(rim[0] - centre[0]), float(rim[1] - centre[1])
    return Region(float(centre[0]), float(centre[1]), 2 * scale * math.hypot(dx, dy), math.atan2(dx, -dy))


def overlap(a: Region, b: Region) -> float:
    """Intersection over union of two regions, 0..1, as if neither were rotated."""
    width = min(a.x + a.side / 2, b.x + b.side / 2) - max(a.x - a.side / 2, b.x - b.side / 2)
    height = min(a.y + a.side / 2, b.y + b.side / 2) - max(a.y - a.side / 2, b.y - b.side / 2)
    shared = max(width, 0.0) * max(height, 0.0)
    return shared / (a.side**2 + b.side**2 - shared) if shared else 0.0
