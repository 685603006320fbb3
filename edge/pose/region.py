"""Square, rotated regions of a picture: what a pose network is shown, and the way back to pixels."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.contract.types import Float32, Image

MANY_ROWS = 60
"""A turned line that crosses more rows of a picture than this finds them on more pages of memory than the processor
keeps addresses of; copied together, the same pixels are read three times as fast."""


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

    def to_picture(self, points: Float32) -> Float32:
        """Points (..., 2) in 0..1 of the region to pixels of the picture."""
        cos, sin = self.side * math.cos(self.rotation), self.side * math.sin(self.rotation)
        onto = np.array([[cos, sin], [-sin, cos]], np.float32)
        corner = (self.x - (cos - sin) / 2, self.y - (sin + cos) / 2)
        pixels: Float32 = points @ onto + np.array(corner, np.float32)
        return pixels

    def crop(self, image: Image, size: int, *, repeat_border: bool = False, into: Image | None = None) -> Image:
        """The region of a BGR picture as (size, size, 3) RGB; beyond it is black, or repeats the last pixel.

        into: memory of that size to use; fresh memory costs a page fault for every four kilobytes.
        """
        block = self._whole_pixels(image)
        if block is not None:
            small = cv2.resize(block, (size, size), dst=into)
        else:
            small = self._warped(image, size, repeat_border, into)
        return np.asarray(cv2.cvtColor(small, cv2.COLOR_BGR2RGB), np.uint8)

    def _whole_pixels(self, image: Image) -> Image | None:
        """The region where it is a block of the picture's pixels: to resize that takes a third of the time."""
        left, top, side = self.x - self.side / 2, self.y - self.side / 2, self.side
        if self.rotation or left % 1 or top % 1 or side % 1 or min(left, top) < 0:
            return None
        block = image[int(top) : int(top + side), int(left) : int(left + side)]
        return block if block.shape[:2] == (side, side) else None

    def _warped(self, image: Image, size: int, repeat_border: bool, into: Image | None) -> Image:
        scale = self.side / size
        cos, sin = scale * math.cos(self.rotation), scale * math.sin(self.rotation)
        left, top = self.x - (cos - sin) * size / 2, self.y - (sin + cos) * size / 2
        if abs(sin) * size > MANY_ROWS:
            image, left, top = self._compact(image, left, top)
        return np.asarray(
            cv2.warpAffine(
                image,
                np.array([[cos, -sin, left], [sin, cos, top]]),
                (size, size),
                dst=into,
                flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
                borderMode=cv2.BORDER_REPLICATE if repeat_border else cv2.BORDER_CONSTANT,
            ),
            np.uint8,
        )

    def _compact(self, image: Image, left: float, top: float) -> tuple[Image, float, float]:
        """The part of the picture around the region in memory of its own, and where the region's corner is there."""
        reach = self.side / 2 * (abs(math.cos(self.rotation)) + abs(math.sin(self.rotation))) + 2
        x, y = max(int(self.x - reach), 0), max(int(self.y - reach), 0)
        part = image[y : max(int(self.y + reach), 0), x : max(int(self.x + reach), 0)]
        return (np.ascontiguousarray(part), left - x, top - y) if part.size else (image, left, top)


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
