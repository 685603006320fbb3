"""Pictures a pose network is calibrated on: from a video or a folder of images."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from edge.contract.errors import SourceError
from edge.contract.types import Image

SUFFIXES = {".bmp", ".jpeg", ".jpg", ".png", ".webp"}


def evenly_spaced(source: Path, count: int) -> list[tuple[int, Image]]:
    """At most ``count`` (position, picture) spread over a video's frames or a folder's images in name order.

    Raises SourceError where nothing can be read.
    """
    if source.is_dir():
        paths = sorted(p for p in source.iterdir() if p.suffix.lower() in SUFFIXES)
        found = [(int(i), cv2.imread(str(paths[i]))) for i in _positions(len(paths), count)]
    else:
        found = _frames(source, count)
    pictures = [(i, np.asarray(p, np.uint8)) for i, p in found if p is not None]
    if not pictures:
        raise SourceError("holds no picture that can be read", where=source, hint="give a video or a folder of images")
    return pictures


def _frames(video: Path, count: int) -> list[tuple[int, Image | None]]:
    # The length a container states is often wrong, and seeking is inexact: count by decoding, then decode again.
    wanted = set(_positions(_decodable(video), count).tolist())
    capture = cv2.VideoCapture(str(video))
    found: list[tuple[int, Image | None]] = []
    index = 0
    while capture.grab():
        if index in wanted:
            found.append((index, capture.retrieve()[1]))
        index += 1
    capture.release()
    return found


def _decodable(video: Path) -> int:
    capture = cv2.VideoCapture(str(video))
    length = 0
    while capture.grab():
        length += 1
    capture.release()
    return length


def _positions(available: int, wanted: int) -> np.ndarray:
    return np.unique(np.linspace(0, max(available - 1, 0), min(available, wanted)).astype(int))
