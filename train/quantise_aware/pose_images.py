"""Training images for a pose network: random crops of the videos and images below a folder."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np

from edge.capture.image_folder import SUFFIXES as IMAGES
from edge.capture.image_folder import natural_key, read_image
from edge.capture.registry import open_source
from edge.capture.video_file import SUFFIXES as VIDEOS
from edge.contract.errors import DataError
from edge.contract.types import Image
from edge.pose.heatmap_estimator import letterbox

MAX_SIDE = 640
"""Longer side of a kept image in pixels; the input of a pose network is smaller."""
MIN_CROP = 0.4
"""Smallest height and width of a crop, relative to the image's."""
BRIGHTNESS = (0.7, 1.3)
"""Range of factors on a crop's brightness."""


def load_images(source: Path, most: int) -> list[Image]:
    """At most ``most`` evenly spread images of each video and of each folder of images at or below ``source``.

    Hidden files and folders are left out. Raises DataError if there is no video and no image, SourceError for a file
    that cannot be read.
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
        found += [_shrunk(read_image(inside[i])) for i in chosen]
    if not found:
        raise DataError("contains no video and no image", where=source, hint="give videos or images of people")
    return found


def random_crops(images: Sequence[Image], size: tuple[int, int], seed: int, step: int, count: int) -> Image:
    """(count, H, W, 3) uint8 BGR: random crops, scaled and padded as on the device, and mirrored half of the time.

    size: width and height of the network's input. Crops depend only on the seed and the step, so that a resumed
    training sees the same ones as an uninterrupted one.
    """
    random = np.random.default_rng((seed, step))
    chosen = random.integers(0, len(images), count)
    return np.stack([_crop(images[i], size, random) for i in chosen])


def _crop(image: Image, size: tuple[int, int], random: np.random.Generator) -> Image:
    height, width = (max(1, round(side * random.uniform(MIN_CROP, 1))) for side in image.shape[:2])
    top, left = (int(random.integers(0, s - n + 1)) for s, n in zip(image.shape, (height, width), strict=False))
    part = cv2.convertScaleAbs(image[top : top + height, left : left + width], alpha=random.uniform(*BRIGHTNESS))
    crop: Image = np.asarray(part[:, ::-1] if random.random() < 0.5 else part, np.uint8)
    return letterbox(crop, *size)[0]


def _hidden(path: Path, below: Path) -> bool:
    return any(part.startswith(".") for part in path.relative_to(below).parts)


def _frames(video: Path) -> Iterator[Image]:
    opened = open_source(str(video))
    try:
        for frame in opened:
            yield frame.image
    finally:
        opened.close()


def _spread(images: Iterable[Image], most: int) -> list[Image]:
    """At most ``most`` evenly spaced images of a sequence of unknown length: when full, drop every other one."""
    kept: list[Image] = []
    every = 1
    for number, image in enumerate(images):
        if number % every:
            continue
        if len(kept) == most:
            kept, every = kept[::2], 2 * every
            if number % every:
                continue
        kept.append(_shrunk(image))
    return kept


def _shrunk(image: Image) -> Image:
    factor = min(1.0, MAX_SIDE / max(image.shape[:2]))
    return np.asarray(cv2.resize(image, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA), np.uint8)
