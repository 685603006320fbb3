"""A recording that plays as a camera would, and is lost at random: what a soak looks at."""

from __future__ import annotations

import random
import time
from pathlib import Path
from typing import Any

import cv2

from edge.capture.opencv import open_video, read_image
from edge.image_pool import ImagePool


class FlakyVideo:
    """A recording as a camera's driver would give it: at its own pace, again and again, and lost at random.

    Now and then it shows an empty scene for some seconds, so that everybody leaves. memory: what images are written
    into.
    """

    def __init__(self, path: Path, chance: random.Random, loss_every_s: float, memory: ImagePool) -> None:
        self._path, self._chance, self._memory = path, chance, memory
        self._video = open_video(str(path))
        self._fps = self._video.get(cv2.CAP_PROP_FPS) or 30.0
        self._next_s = time.monotonic()
        self._lost_from_s = self._next_s + chance.expovariate(1 / loss_every_s)
        self._empty_until_s = 0.0

    def read(self) -> tuple[bool, Any]:
        now = time.monotonic()
        if now >= self._lost_from_s:
            return False, None
        self._next_s = max(self._next_s + 1 / self._fps, now)
        time.sleep(self._next_s - now)
        ok, image = read_image(self._video, self._memory)
        if not ok:
            self._video.release()
            self._video = open_video(str(self._path))
            ok, image = read_image(self._video, self._memory)
            if self._chance.random() < 0.5:
                self._empty_until_s = now + self._chance.uniform(1.5, 4.0)
        if ok and now < self._empty_until_s:
            image.fill(0)
        return ok, image

    def get(self, property_id: int) -> float:
        return float(self._video.get(property_id))

    def release(self) -> None:
        self._video.release()
