"""Turning pictures of cameras that hang upside down."""

from __future__ import annotations

import cv2
import numpy as np

from edge.capture.source import Flip
from edge.contract.types import Image

_MIRRORED = {"horizontal": 1, "vertical": 0, "rotate-180": -1}
_TURNED = {"clockwise": cv2.ROTATE_90_CLOCKWISE, "counterclockwise": cv2.ROTATE_90_COUNTERCLOCKWISE}


def flipped(image: Image, flip: Flip) -> Image:
    """The picture (H, W, 3), mirrored or turned; a quarter turn makes it (W, H, 3)."""
    if flip in _MIRRORED:
        return np.asarray(cv2.flip(image, _MIRRORED[flip]), np.uint8)
    if flip in _TURNED:
        return np.asarray(cv2.rotate(image, _TURNED[flip]), np.uint8)
    return image
