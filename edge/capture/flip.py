"""Turning images of cameras that hang upside down."""

from __future__ import annotations

import cv2
import numpy as np

from edge.capture.source import Flip
from edge.contract.types import Image
from edge.image_pool import ImagePool

_MIRRORED = {"horizontal": 1, "vertical": 0, "rotate-180": -1}
_TURNED = {"clockwise": cv2.ROTATE_90_CLOCKWISE, "counterclockwise": cv2.ROTATE_90_COUNTERCLOCKWISE}


class Flipper:
    """Called with one image (H, W, 3) after the other: that image mirrored or turned, in memory that is used again.

    A quarter turn makes it (W, H, 3); "none" gives the image itself.
    """

    def __init__(self, flip: Flip) -> None:
        self._flip, self._memory = flip, ImagePool()

    def __call__(self, image: Image) -> Image:
        if self._flip == "none":
            return image
        # Of another size it is left alone, and the image is a new one.
        into = self._memory.acquire()
        if self._flip in _MIRRORED:
            flipped = np.asarray(cv2.flip(image, _MIRRORED[self._flip], into), np.uint8)
        else:
            flipped = np.asarray(cv2.rotate(image, _TURNED[self._flip], into), np.uint8)
        self._memory.add(flipped)
        return flipped
