"""What a pose network is trained on: every video and every image below a folder, cut out anew in every step."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np

from edge.capture.image_folder import SUFFIXES as IMAGES
from edge.capture.image_folder import natural_key
from edge.capture.opencv import utf8_path
from edge.capture.registry import open_source
from edge.capture.video_file import SUFFIXES as VIDEOS
from edge.contract.errors import DataError, SourceError
from edge.contract.types import Image
from edge.pose.heatmap_estimator import letterbox

LONGEST = 640
"""Pixels of a kept picture's longer side; a pose network's input is smaller."""
SMALLEST = 0.4
"""Part of a picture's height, and of its width, that a cut has at least."""
LIGHT = (0.7, 1.3)
"""What a cut's brightness is multiplied by, for scenes are darker and brighter than those at hand."""


def pictures_below(source: Path, most: int) -> list[Image]:
    """Of a video, of every video below a folder, and of the images of each folder: at most ``most`` evenly spread.

    Names that begin with a dot are left out. Raises DataError where there is neither, SourceError for what cannot be
    read.
    """
    if not source.is_dir():
        return _spread(_frames(source), most)
    files = sorted((p for p in source.rglob("*") if p.is_file() and not _hidden(p, source)), key=natural_key)
    found: list[Image] = []
    for video in (path for path in files if path.suffix.lower() in VIDEOS):
        found += _spread(_frames(video), most)
    images = [path for path in files if path.suffix.lower() in IMAGES]
    for folder in dict.fromkeys(path.parent for path in images):
        inside = [path for path in images if path.parent == folder]
        chosen = np.unique(np.linspace(0, len(inside) - 1, min(most, len(inside))).astype(int))
        found += [_small(_read(inside[i])) for i in chosen]
    if not found:
        raise DataError("holds no video and no image", where=source, hint="give videos or pictures of people")
    return found


class Cutter:
    """Random parts of pictures as the device would show them to a network of this size, mirrored half of the time.

    size: width and height. What is cut depends on the seed and the step alone, so that an interrupted training goes on
    with what it would have seen.
    """

    def __init__(self, pictures: Sequence[Image], size: tuple[int, int], seed: int) -> None:
        self._pictures, self._size, self._seed = pictures, size, seed

    def cuts(self, step: int, count: int) -> Image:
        """(count, H, W, 3) uint8 BGR."""
        random = np.random.default_rng((self._seed, step))
        chosen = random.integers(0, len(self._pictures), count)
        return np.stack([self._cut(self._pictures[i], random) for i in chosen])

    def _cut(self, picture: Image, random: np.random.Generator) -> Image:
        height, width = (max(1, round(side * random.uniform(SMALLEST, 1))) for side in picture.shape[:2])
        top, left = (int(random.integers(0, s - n + 1)) for s, n in zip(picture.shape, (height, width), strict=False))
        part = cv2.convertScaleAbs(picture[top : top + height, left : left + width], alpha=random.uniform(*LIGHT))
        shown: Image = np.asarray(part[:, ::-1] if random.random() < 0.5 else part, np.uint8)
        return letterbox(shown, *self._size)[0]


def _hidden(path: Path, below: Path) -> bool:
    return any(part.startswith(".") for part in path.relative_to(below).parts)


def _frames(video: Path) -> Iterator[Image]:
    opened = open_source(str(video))
    try:
        for frame in opened:
            yield frame.image
    finally:
        opened.close()


def _spread(pictures: Iterable[Image], most: int) -> list[Image]:
    """Of pictures whose number is not known beforehand."""
    kept: list[Image] = []
    every = 1
    for number, picture in enumerate(pictures):
        if number % every:
            continue
        if len(kept) == most:
            kept, every = kept[::2], 2 * every
            if number % every:
                continue
        kept.append(_small(picture))
    return kept


def _small(picture: Image) -> Image:
    shrink = min(1.0, LONGEST / max(picture.shape[:2]))
    return np.asarray(cv2.resize(picture, None, fx=shrink, fy=shrink, interpolation=cv2.INTER_AREA), np.uint8)


def _read(path: Path) -> Image:
    picture = cv2.imread(utf8_path(path), cv2.IMREAD_COLOR)
    if picture is None:
        raise SourceError("not a readable image", where=path, hint="remove it, or copy it again")
    return np.asarray(picture, np.uint8)
