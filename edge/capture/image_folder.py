"""A folder of images as a source."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from edge.capture.flip import Flipper
from edge.capture.opencv import suppress_stderr, utf8_path
from edge.capture.source import CaptureConfig, RecordedSource
from edge.contract.errors import SourceError
from edge.contract.reading import wrap_read_errors
from edge.contract.types import Frame, Image

SUFFIXES = frozenset({".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"})
FALLBACK_FPS = 10.0


class ImageFolder(RecordedSource):
    """See :class:`edge.capture.source.Source`, and :func:`images_in`.

    Raises SourceError for a folder without images; while iterating, for an image that cannot be read or has
    another size than the first.
    """

    def __init__(self, folder: Path, config: CaptureConfig) -> None:
        self.uri, self.fps, self._flip = str(folder), config.fps or FALLBACK_FPS, Flipper(config.flip)
        self._paths = images_in(folder)
        if not self._paths:
            raise SourceError("no images in this folder", where=folder, hint=f"it reads {', '.join(sorted(SUFFIXES))}")
        self.length_frames: int | None = len(self._paths)
        first = self._flip(read_image(self._paths[0]))
        self.size = (first.shape[1], first.shape[0])

    def describe(self) -> str:
        return f"{self.uri}: {len(self._paths)} images, {self.size[0]}x{self.size[1]}, {self.fps:g} frames/s"

    def __iter__(self) -> Iterator[Frame]:
        for index, path in enumerate(self._paths):
            image = self._flip(read_image(path))
            if (image.shape[1], image.shape[0]) != self.size:
                raise SourceError(
                    f"{image.shape[1]}x{image.shape[0]}, but the first image is {self.size[0]}x{self.size[1]}",
                    where=path,
                    hint="all images of a folder must have the same size",
                )
            yield Frame(index, index / self.fps, image)


def images_in(folder: Path) -> list[Path]:
    """The folder's images in natural order: 2.png before 10.png."""
    # macOS writes a metadata file ._001.png next to each 001.png on a USB stick.
    found = (p for p in folder.iterdir() if p.suffix.lower() in SUFFIXES and not p.name.startswith("."))
    return sorted(found, key=natural_key)


def natural_key(path: Path) -> list[tuple[int, int | str]]:
    """Sort key for natural order: digits by value, the rest alphabetically."""
    parts = re.findall(r"\d+|\D+", path.name.lower())
    return [(0, int(part)) if part.isdecimal() else (1, part) for part in parts]


def read_image(path: Path) -> Image:
    """The image in a file. Raises SourceError if it cannot be read."""
    image = decoded(path)
    if image is None:
        raise SourceError("not a readable image", where=path, hint="remove it, or copy it again")
    return image


def decoded(path: Path) -> Image | None:
    """The image in a file, None if it is none, or has more pixels than OpenCV allows."""
    with suppress_stderr(), wrap_read_errors(path, SourceError, "check disk and permissions, or copy it again"):
        # is_file, because OpenCV would block on a named pipe.
        try:
            image = cv2.imread(utf8_path(path), cv2.IMREAD_COLOR) if path.is_file() else None
        except cv2.error:
            image = None
        if image is None and path.is_file():
            path.open("rb").close()  # OpenCV does not say that a file may not be read
    return None if image is None else np.asarray(image, np.uint8)
