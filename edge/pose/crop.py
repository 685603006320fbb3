"""Crop a region of an image and resize it to the size of a network's input.

Rotating a region upright takes three times as long as resizing a block of the image's pixels.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import cv2
import numpy as np

from edge.contract.types import Image
from edge.pose.region import Region

MAX_ROWS_IN_PLACE = 60
"""An output row that crosses more rows of the image than this touches more memory pages than the TLB holds. A compact
copy of the region is read three times as fast."""

PIXEL_TOLERANCE = 1e-6
"""Rounding error, in pixels, of coordinates that are whole numbers; without it half of the snapped regions would be
warped where the network's size is no power of two, such as the detector's 224."""


def crop(image: Image, region: Region, size: int, *, repeat_border: bool = False, into: Image | None = None) -> Image:
    """The region of an image as (size, size, 3); beyond the image it is black, or repeats the last pixel.

    into: array to write to and return. New memory would cost a page fault for every four kilobytes.
    """
    result = np.empty((size, size, 3), np.uint8) if into is None else into
    block = _block(region, size)
    if block is None or not block.resize(image, size, repeat_border, result):
        warp(image, region, size, repeat_border, result)
    return result


def snap_to_pixels(region: Region, size: int) -> Region:
    """The nearest region without rotation whose crop of that size is a resized block of whole pixels."""
    side = max(round(region.side), 1)
    offset = _centre_offset(side, size)
    left, top = round(region.x - side / 2 - offset), round(region.y - side / 2 - offset)
    return Region(left + offset + side / 2, top + offset + side / 2, side)


def _centre_offset(side: float, size: int) -> float:
    """Pixels of the image between the first sample of a warped region and that of a resized block.

    MediaPipe, which the networks come from, has pixel centres at whole coordinates; cv2.resize has them at halves.
    """
    return (side / size - 1) / 2


def _block(region: Region, size: int) -> _Block | None:
    """The block of a region from :func:`snap_to_pixels`; None for any other region."""
    if region.rotation:
        return None
    offset = _centre_offset(region.side, size)
    left, top, side = region.x - region.side / 2 - offset, region.y - region.side / 2 - offset, region.side
    block = _Block(round(left), round(top), round(side))
    error = abs(block.left - left) + abs(block.top - top) + abs(block.side - side)
    return block if error < PIXEL_TOLERANCE else None


class _Block(NamedTuple):
    """A square of an image's pixels, which may reach beyond the image."""

    left: int
    top: int
    side: int

    def resize(self, image: Image, size: int, repeat_border: bool, into: Image) -> bool:
        """Resize the block into (size, size, 3); False if no pixel of it is in the image."""
        rows, columns = self._visible(self.top, image.shape[0], size), self._visible(self.left, image.shape[1], size)
        if rows is None or columns is None:
            return False
        (low, high), (first, last) = rows.target, columns.target
        visible = into[low:high, first:last]
        cv2.resize(image[rows.source, columns.source], (last - first, high - low), dst=visible)
        if (low, first, high, last) != (0, 0, size, size):
            borders = (into[low:high, :first], into[low:high, last:], into[:low], into[high:])
            edges = (visible[:, :1], visible[:, -1:], into[low], into[high - 1])
            for border, edge in zip(borders, edges, strict=True):
                border[:] = edge if repeat_border else 0
        return True

    def _visible(self, start: int, length: int, size: int) -> _Visible | None:
        """The block's rows (or columns) from ``start`` that lie in an image of that length; None if none does."""
        source = slice(max(start, 0), min(start + self.side, length))
        # Rounded to whole pixels of the crop: at the image's edge it may be off by half a pixel.
        first, last = (round((at - start) * size / self.side) for at in (source.start, source.stop))
        return _Visible((first, last), source) if first < last else None


class _Visible(NamedTuple):
    """source: rows of the image. target: the rows of the crop, start and stop, that show them."""

    target: tuple[int, int]
    source: slice


def warp(image: Image, region: Region, size: int, repeat_border: bool, into: Image) -> None:
    """Rotate the region upright into (size, size, 3)."""
    scale = region.side / size
    cos, sin = scale * math.cos(region.rotation), scale * math.sin(region.rotation)
    left, top = region.x - (cos - sin) * size / 2, region.y - (sin + cos) * size / 2
    if abs(sin) * size > MAX_ROWS_IN_PLACE:
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
    """A contiguous copy of the image around the region, and the region's corner (left, top) in it."""
    reach = region.side / 2 * (abs(math.cos(region.rotation)) + abs(math.sin(region.rotation))) + 2
    x, y = max(int(region.x - reach), 0), max(int(region.y - reach), 0)
    part = image[y : max(int(region.y + reach), 0), x : max(int(region.x + reach), 0)]
    return (np.ascontiguousarray(part), left - x, top - y) if part.size else (image, left, top)
