"""A timecode drawn at the bottom of images as black and white cells, to measure the age of a displayed image.

Forty cells from left to right: a 32-bit count of 0.1 ms, most significant bit first, and an 8-bit checksum.
"""

from __future__ import annotations

import zlib

import numpy as np

from edge.contract.types import Image

TICKS_PER_S = 10_000
BITS, CHECK_BITS = 32, 8
CELLS = BITS + CHECK_BITS
HEIGHT_FRACTION = 0.016
"""Height of the cells as a fraction of the image's: below the line of text that the overlay draws."""
CHECK_XOR = 0x5A
"""Applied to the checksum, so that an all-black or all-white strip is not valid."""


def draw(image: Image, ticks: int) -> None:
    """Draw ``ticks`` (of 0.1 ms, modulo 2**32) into the lowest rows of the image (H, W, 3), W at least 40."""
    top, edges = _place(image)
    for cell, bit in enumerate(_bits(ticks % (1 << BITS))):
        image[top:, edges[cell] : edges[cell + 1]] = 255 * bit


def read(image: Image) -> int | None:
    """The ticks in an image, even after lossy compression; None if they are not legible."""
    top, edges = _place(image)
    # Only the middle of each cell, because compression blurs its edges.
    strip = image[top:].mean(axis=(0, 2))
    insets = np.diff(edges) // 4
    cells = [int(strip[edges[n] + insets[n] : edges[n + 1] - insets[n]].mean() > 127) for n in range(CELLS)]
    ticks = int("".join(map(str, cells[:BITS])), 2)
    return ticks if cells == _bits(ticks) else None


def _place(image: Image) -> tuple[int, list[int]]:
    height, width = image.shape[:2]
    return height - max(4, round(HEIGHT_FRACTION * height)), [round(n * width / CELLS) for n in range(CELLS + 1)]


def _bits(ticks: int) -> list[int]:
    check = (zlib.crc32(ticks.to_bytes(BITS // 8, "big")) & 0xFF) ^ CHECK_XOR
    return [int(bit) for bit in f"{ticks:0{BITS}b}{check:0{CHECK_BITS}b}"]
