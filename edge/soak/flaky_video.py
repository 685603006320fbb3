"""A recording played like a camera that is lost at random: the source of a soak test."""

from __future__ import annotations

import random
import time
from pathlib import Path
from typing import Any

import cv2

from edge.capture.opencv import open_video, read_image
from edge.image_pool import ImagePool


class FlakyVideo:
    """Plays a recording in a loop, in real time, and fails for good after a random time.

    At the end of each pass it may go black for a few seconds, so that everybody leaves. pool: memory for images.
    """

    def __init__(self, path: Path, rng: random.Random, loss_every_s: float, pool: ImagePool) -> None:
        self._path, self._rng, self._pool = path, rng, pool
        self._video = open_video(path)
        self._fps = self._video.get(cv2.CAP_PROP_FPS) or 30.0
        self._next_s = time.monotonic()
        self._lost_from_s = self._next_s + rng.expovariate(1 / loss_every_s)
        self._empty_until_s = 0.0

    def read(self) -> tuple[bool, Any]:
        now = time.monotonic()
        if now >= self._lost_from_s:
            return False, None
        self._next_s = max(self._next_s + 1 / self._fps, now)
        time.sleep(self._next_s - now)
        ok, image = read_image(self._video, self._pool)
        if not ok:
            self._video.release()
            self._video = open_video(self._path)
            ok, image = read_image(self._video, self._pool)
            if self._rng.random() < 0.5:
                self._empty_until_s = now + self._rng.uniform(1.5, 4.0)
        if ok and now < self._empty_until_s:
            image.fill(0)
        return ok, image

    def get(self, property_id: int) -> float:
        return float(self._video.get(property_id))

    def release(self) -> None:
        self._video.release()
