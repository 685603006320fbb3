"""A clock drawn into images, so that whoever shows one can tell how old it is: cells of black and white at its foot.

Forty cells from left to right: 32 bits of a count of 0.1 ms, highest bit first, and 8 that check them.
"""

from __future__ import annotations

import zlib

import numpy as np

from edge.contract.types import Image

TICKS_PER_S = 10_000
BITS, CHECK_BITS = 32, 8
CELLS = BITS + CHECK_BITS
PART = 0.016
"""Of the image's height that the cells take: below the line of text that is drawn on images."""
NEITHER = 0x5A
"""Put into the check, so that a black strip is no time, nor a white one."""


def draw(image: Image, ticks: int) -> None:
    """Write ``ticks`` (of 0.1 ms, modulo 2**32) into the lowest rows of the image (H, W, 3), W at least 40."""
    top, edges = _place(image)
    for cell, bit in enumerate(_bits(ticks % (1 << BITS))):
        image[top:, edges[cell] : edges[cell + 1]] = 255 * bit


def read(image: Image) -> int | None:
    """The count in an image, also after lossy coding; None where none is legible."""
    top, edges = _place(image)
    # The middle of each cell alone: its edges are smeared by coding.
    strip = image[top:].mean(axis=(0, 2))
    insets = np.maximum(np.diff(edges) // 4, 0)
    cells = [strip[edges[n] + insets[n] : edges[n + 1] - insets[n]].mean() > 127 for n in range(CELLS)]
    ticks = int("".join(str(int(cell)) for cell in cells[:BITS]), 2)
    return ticks if [int(cell) for cell in cells] == _bits(ticks) else None


def _place(image: Image) -> tuple[int, list[int]]:
    height, width = image.shape[:2]
    return height - max(4, round(PART * height)), [round(n * width / CELLS) for n in range(CELLS + 1)]


def _bits(ticks: int) -> list[int]:
    check = (zlib.crc32(ticks.to_bytes(BITS // 8, "big")) & 0xFF) ^ NEITHER
    return [int(bit) for bit in f"{ticks:0{BITS}b}{check:0{CHECK_BITS}b}"]
