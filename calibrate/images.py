"""Choose images for a pose network's calibration and evaluation from a video or a folder."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from edge.capture.image_folder import decoded, images_in
from edge.capture.opencv import utf8_path
from edge.contract.errors import ConfigError, SourceError
from edge.contract.types import Image


def alternating(source: Path, count: int) -> tuple[list[tuple[int, Image]], list[tuple[int, Image]]]:
    """Return at most ``count`` evenly spaced (position, image) pairs, and those halfway between them.

    With a single image both lists contain it. Raises what :func:`evenly_spaced` raises.
    """
    found = evenly_spaced(source, 2 * count)
    return found[::2], found[1::2] or found


def evenly_spaced(source: Path, count: int) -> list[tuple[int, Image]]:
    """Return at most ``count`` (position, image) spread over a video's frames or a folder's images in natural order.

    Raises ConfigError for a count below 1, SourceError if nothing can be read.
    """
    if count < 1:
        raise ConfigError("the number of images must be at least 1")
    if source.is_dir():
        paths = images_in(source)
        found: dict[int, Any] = {i: decoded(paths[i]) for i in _positions(len(paths), count)}
    else:
        found = _frames(source, count)
    images = [(i, np.asarray(image, np.uint8)) for i, image in found.items() if image is not None]
    if not images:
        raise SourceError("contains no image that can be read", where=source, hint="give a video or a folder of images")
    return images


def _frames(video: Path, count: int) -> dict[int, Any]:
    # A container's stated length is often wrong and seeking is inexact: count the frames, then decode again.
    wanted = set(_positions(sum(1 for _ in _grabbed(video)), count))
    found = {}
    with suppress(cv2.error):  # a damaged frame ends the video
        for i, capture in enumerate(_grabbed(video)):
            if i in wanted:
                found[i] = capture.retrieve()[1]
    return found


def _grabbed(video: Path) -> Iterator[cv2.VideoCapture]:
    capture = cv2.VideoCapture(utf8_path(video))
    try:
        while capture.grab():
            yield capture
    finally:
        capture.release()


def _positions(available: int, wanted: int) -> list[int]:
    spread = np.linspace(0, max(available - 1, 0), min(available, wanted)).astype(int)
    return [int(i) for i in np.unique(spread)]
