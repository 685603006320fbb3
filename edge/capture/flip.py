"""Mirror or rotate the images of a camera that is mounted upside down or sideways."""

from __future__ import annotations

import cv2
import numpy as np

from edge.capture.source import Flip
from edge.contract.types import Image
from edge.image_pool import ImagePool

_MIRROR = {"horizontal": 1, "vertical": 0, "rotate-180": -1}
_ROTATE = {"clockwise": cv2.ROTATE_90_CLOCKWISE, "counterclockwise": cv2.ROTATE_90_COUNTERCLOCKWISE}


class Flipper:
    """Called with an image (H, W, 3), returns it flipped, in pooled memory; "none" returns the image itself.

    A quarter turn makes it (W, H, 3).
    """

    def __init__(self, flip: Flip) -> None:
        self._flip, self._pool = flip, ImagePool()

    def __call__(self, image: Image) -> Image:
        if self._flip == "none":
            return image
        # OpenCV ignores a buffer of another size and allocates a new one.
        buffer = self._pool.acquire()
        if self._flip in _MIRROR:
            flipped = np.asarray(cv2.flip(image, _MIRROR[self._flip], buffer), np.uint8)
        else:
            flipped = np.asarray(cv2.rotate(image, _ROTATE[self._flip], buffer), np.uint8)
        self._pool.add(flipped)
        return flipped
