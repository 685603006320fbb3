"""Drawing primitives: colours, sizes, panels, rings, bars and text, scaled to the image."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from edge.contract.types import Image

Colour = tuple[int, int, int]
"""BGR."""

LEFT, RIGHT, TRUNK = (61, 138, 255), (255, 184, 64), (238, 240, 242)
OUTLINE, PANEL, TEXT, FAINT = (26, 22, 20), (34, 28, 24), (250, 250, 250), (120, 112, 106)
QUIET = (190, 182, 176)
ACCENTS: tuple[Colour, ...] = (
    (150, 214, 64),
    (180, 105, 255),
    (77, 211, 255),
    (255, 144, 158),
    (84, 132, 250),
    (226, 208, 72),
)
"""Colours of people, by track id."""

SHIFT = 4
"""OpenCV gets coordinates in 1/16 pixel, so that slow movement looks smooth."""

MIN_LABEL, MIN_TEXT = 11.0, 8.0
"""Text sizes in pixels. OpenCV's smaller letters run into each other."""


@dataclass(frozen=True)
class Style:
    """Sizes in pixels that scale with the image, so that text is legible at any resolution."""

    text: float
    stroke: float

    @classmethod
    def of(cls, image: Image) -> Style:
        """For an image (H, W, 3)."""
        side = float(np.sqrt(image.shape[0] * image.shape[1]))
        return cls(text=max(MIN_LABEL, side / 46), stroke=max(1.0, side / 240))

    @property
    def is_cramped(self) -> bool:
        """Whether the image is too small for panels."""
        return self.text <= MIN_LABEL

    def small(self, scale: float) -> float:
        """Text size relative to a label's, but legible."""
        return max(MIN_TEXT, scale * self.text)


def fixed(x: float, y: float) -> tuple[int, int]:
    """Pixels to fixed point, for OpenCV's ``shift=SHIFT``."""
    return round(float(x) * (1 << SHIFT)), round(float(y) * (1 << SHIFT))


def panel(image: Image, x0: int, y0: int, x1: int, y1: int, *, alpha: float, corner: int | None = None) -> None:
    """Draw a translucent dark rectangle. corner: radius of its corners, by default a third of the shorter side."""
    x0, y0, x1, y1 = max(x0, 0), max(y0, 0), min(x1, image.shape[1]), min(y1, image.shape[0])
    if x1 <= x0 or y1 <= y0:
        return
    below = image[y0:y1, x0:x1]
    layer, height, width = below.copy(), y1 - y0, x1 - x0
    radius = min(height, width) // 3 if corner is None else min(corner, min(height, width) // 3)
    cv2.rectangle(layer, (radius, 0), (width - radius, height), PANEL, -1)
    cv2.rectangle(layer, (0, radius), (width, height - radius), PANEL, -1)
    for centre in ((radius, radius), (width - 1 - radius, radius)):
        cv2.circle(layer, centre, radius, PANEL, -1, cv2.LINE_AA)
        cv2.circle(layer, (centre[0], height - 1 - radius), radius, PANEL, -1, cv2.LINE_AA)
    image[y0:y1, x0:x1] = cv2.addWeighted(layer, alpha, below, 1 - alpha, 0)


def ring(image: Image, x: float, y: float, radius: float, fill: float, colour: Colour) -> None:
    """Draw a circle, coloured clockwise from the top up to ``fill`` (0..1)."""
    centre, axes = fixed(x, y), (round(0.78 * radius * (1 << SHIFT)),) * 2
    thickness = max(1, round(0.4 * radius))
    cv2.ellipse(image, centre, axes, -90, 0, 360, FAINT, thickness, cv2.LINE_AA, SHIFT)
    if fill > 0:
        cv2.ellipse(image, centre, axes, -90, 0, 360 * fill, colour, thickness, cv2.LINE_AA, SHIFT)


def bar(image: Image, x0: float, x1: float, y: float, score: float, colour: Colour, size: float) -> None:
    """Draw a line from x0 to x1 at y, in pixels, coloured up to ``score`` (0..1). size: of the text beside it."""
    thickness = max(2, round(0.2 * size))
    for end, c in ((x1, FAINT), (x0 + (x1 - x0) * score, colour)):
        ends = (fixed(x0, y), fixed(end, y))
        cv2.line(image, *ends, c, thickness, cv2.LINE_AA, SHIFT)


def text_size(text: str, size: float) -> tuple[int, int]:
    """Width, and height above the baseline, of text whose capitals are about 0.8 * ``size`` tall."""
    (width, height), _ = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, size / 28, _weight(size))
    return int(width), min(int(height), round(0.8 * size))


def write(image: Image, text: str, x: float, y: float, size: float, colour: Colour) -> None:
    """Draw text whose baseline begins at (x, y) in pixels. size: see :func:`text_size`."""
    font, weight = cv2.FONT_HERSHEY_SIMPLEX, _weight(size)
    cv2.putText(image, text, (round(x), round(y)), font, size / 28, colour, weight, cv2.LINE_AA)


def _weight(size: float) -> int:
    return max(1, round(size / 12))
