"""Crop a region of an image and resize it to the size of a network's input.

Rotating a region upright takes three times as long as resizing a block of the image's pixels.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np

from edge.contract.types import Image
from edge.pose.region import Region

MAX_ROWS_IN_PLACE = 60
"""An output row that crosses more rows of the image than this touches more memory pages than the TLB holds. A compact
copy of the region is read three times as fast."""


@dataclass(frozen=True)
class SnappedRegion(Region):
    """A region without rotation whose crop is a resized square of whole pixels. square: its left, top and side."""

    square: tuple[int, int, int] = (0, 0, 0)


def crop(image: Image, region: Region, size: int, *, repeat_border: bool = False, into: Image | None = None) -> Image:
    """The region of an image as (size, size, 3); beyond the image it is black, or repeats the last pixel.

    into: array to write to and return. New memory would cost a page fault for every four kilobytes.
    """
    result = np.empty((size, size, 3), np.uint8) if into is None else into
    if not (isinstance(region, SnappedRegion) and _resize(image, region.square, size, repeat_border, result)):
        warp(image, region, size, repeat_border, result)
    return result


def snap_to_pixels(region: Region, size: int) -> SnappedRegion:
    """The nearest region without rotation whose crop of that size is a resized square of whole pixels."""
    side = max(round(region.side), 1)
    # MediaPipe, which the networks come from, has pixel centres at whole coordinates; cv2.resize has them at halves.
    offset = (side / size - 1) / 2
    left, top = round(region.x - side / 2 - offset), round(region.y - side / 2 - offset)
    return SnappedRegion(left + offset + side / 2, top + offset + side / 2, side, square=(left, top, side))


def _resize(image: Image, square: tuple[int, int, int], size: int, repeat_border: bool, into: Image) -> bool:
    """Resize a square of pixels into (size, size, 3); False if no pixel of it is in the image."""
    left, top, side = square
    rows, columns = _visible(top, side, image.shape[0], size), _visible(left, side, image.shape[1], size)
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


class _Visible(NamedTuple):
    """source: rows of the image. target: the rows of the crop, start and stop, that show them."""

    target: tuple[int, int]
    source: slice


def _visible(start: int, side: int, length: int, size: int) -> _Visible | None:
    """The square's rows (or columns) from ``start`` that lie in an image of that length; None if none does."""
    source = slice(max(start, 0), min(start + side, length))
    # Rounded to whole pixels of the crop: at the image's edge it may be off by half a pixel.
    first, last = (round((at - start) * size / side) for at in (source.start, source.stop))
    return _Visible((first, last), source) if first < last else None


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
