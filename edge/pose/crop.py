"""What a network is shown of an image: a region, cut out and brought to the network's size.

To turn a region upright costs three times what a block of the image's pixels costs, which is only resized.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import cv2
import numpy as np

from edge.contract.types import Image
from edge.pose.region import Region

MANY_ROWS = 60
"""A turned line that crosses more rows of an image than this finds them on more pages of memory than the processor
keeps addresses of; copied together, the same pixels are read three times as fast."""

ALMOST = 1e-6
"""Of a pixel: sums of fractions are never whole exactly."""


def crop(image: Image, region: Region, size: int, *, repeat_border: bool = False, into: Image | None = None) -> Image:
    """The region of an image as (size, size, 3); beyond the image it is black, or repeats the last pixel.

    into: memory of that size to use, and what is returned; fresh memory costs a page fault for every four kilobytes.
    """
    small = np.empty((size, size, 3), np.uint8) if into is None else into
    block = _block(region, size)
    if block is None or not block.resize(image, size, repeat_border, small):
        warp(image, region, size, repeat_border, small)
    return small


def level(region: Region, size: int) -> Region:
    """The nearest region that is not turned, and whose crop of that size is a block of whole pixels, resized."""
    side = max(round(region.side), 1)
    lead = _lead(side, size)
    left, top = round(region.x - side / 2 - lead), round(region.y - side / 2 - lead)
    return Region(left + lead + side / 2, top + lead + side / 2, side)


def _lead(side: float, size: int) -> float:
    """Pixels of the image by which the middle of a resized block's first pixel lies behind the first of a warped
    region: MediaPipe, whose networks these are, lets pixel centres lie on whole numbers, resizing on halves."""
    return (side / size - 1) / 2


def _block(region: Region, size: int) -> _Block | None:
    """What :func:`level` made of a region; None for another."""
    if region.rotation:
        return None
    lead = _lead(region.side, size)
    left, top, side = region.x - region.side / 2 - lead, region.y - region.side / 2 - lead, region.side
    block = _Block(round(left), round(top), round(side))
    off = abs(block.left - left) + abs(block.top - top) + abs(block.side - side)
    return block if off < ALMOST else None


class _Block(NamedTuple):
    """A square of an image's pixels, which may reach beyond it."""

    left: int
    top: int
    side: int

    def resize(self, image: Image, size: int, repeat_border: bool, into: Image) -> bool:
        """Into (size, size, 3); False where nothing of it is in the image."""
        rows, columns = self._within(self.top, image.shape[0], size), self._within(self.left, image.shape[1], size)
        if rows is None or columns is None:
            return False
        (low, high), (first, last) = rows.shown, columns.shown
        shown = into[low:high, first:last]
        cv2.resize(image[rows.seen, columns.seen], (last - first, high - low), dst=shown)
        if (low, first, high, last) != (0, 0, size, size):
            beside = (into[low:high, :first], into[low:high, last:], into[:low], into[high:])
            edges = (shown[:, :1], shown[:, -1:], into[low], into[high - 1])
            for beyond, edge in zip(beside, edges, strict=True):
                beyond[:] = edge if repeat_border else 0
        return True

    def _within(self, start: int, length: int, size: int) -> _Within | None:
        """Of the block's rows, or columns, those in the image, which has so many; None where none is."""
        seen = slice(max(start, 0), min(start + self.side, length))
        # To whole pixels of the crop: at the image's edge it may be half a pixel out.
        first, last = (round((at - start) * size / self.side) for at in (seen.start, seen.stop))
        return _Within((first, last), seen) if first < last else None


class _Within(NamedTuple):
    """shown: the rows of a crop, from and up to, that show the image. seen: the rows of the image shown there."""

    shown: tuple[int, int]
    seen: slice


def warp(image: Image, region: Region, size: int, repeat_border: bool, into: Image) -> None:
    """The region, turned upright, into (size, size, 3)."""
    scale = region.side / size
    cos, sin = scale * math.cos(region.rotation), scale * math.sin(region.rotation)
    left, top = region.x - (cos - sin) * size / 2, region.y - (sin + cos) * size / 2
    if abs(sin) * size > MANY_ROWS:
        image, left, top = _compact(image, region, left, top)
    cv2.warpAffine(
        image,
        np.array([[cos, -sin, left], [sin, cos, top]]),
        (size, size),
        dst=into,
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE if repeat_border else cv2.BORDER_CONSTANT,
    )


def _compact(image: Image, region: Region, left: float, top: float) -> tuple[Image, float, float]:
    """The part of the image around the region in memory of its own, and where the region's corner is there."""
    reach = region.side / 2 * (abs(math.cos(region.rotation)) + abs(math.sin(region.rotation))) + 2
    x, y = max(int(region.x - reach), 0), max(int(region.y - reach), 0)
    part = image[y : max(int(region.y + reach), 0), x : max(int(region.x + reach), 0)]
    return (np.ascontiguousarray(part), left - x, top - y) if part.size else (image, left, top)
