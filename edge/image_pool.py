"""Reuse the memory of images: fresh memory of this size costs a page fault for every 4 kB."""

from __future__ import annotations

import sys
import threading

import numpy as np

from edge.contract.types import Image

MAX_FREE = 2
"""Unreferenced images that are kept for reuse; the number in use varies by about this many."""

_LIST = [np.empty(0)]
_FREE_REFCOUNT = sys.getrefcount(_LIST[0])
"""What ``sys.getrefcount`` returns for an array that only one list refers to."""


class ImagePool:
    """A pool of images that are overwritten once nothing refers to them. Thread-safe.

    Whoever receives an image, or a view of it, may keep it for as long as needed; there is no release call. The pool
    holds the images in use and at most ``MAX_FREE`` more.
    """

    def __init__(self) -> None:
        self._images: list[Image] = []
        self._lock = threading.Lock()

    def acquire(self) -> Image | None:
        """A free image to overwrite, None if there is none. Its size may differ from the next image's."""
        with self._lock:
            # By index: a loop variable would be one more reference.
            free = [n for n in range(len(self._images)) if sys.getrefcount(self._images[n]) == _FREE_REFCOUNT]
            # Reuse the newest and drop the oldest: a camera may have come back with another frame size for good.
            dropped = free[: -1 - MAX_FREE]
            for n in reversed(dropped):
                del self._images[n]
            return self._images[free[-1] - len(dropped)] if free else None

    def add(self, image: Image) -> None:
        """Track an image, whether new or from :meth:`acquire`, that is about to be handed out."""
        # A view of a view refers to the base array only, so the references to a view cannot be counted.
        if image.base is not None:
            return
        with self._lock:
            if not any(image is known for known in self._images):
                self._images.append(image)

    def copy(self, image: Image) -> Image:
        """A copy of ``image`` in the pool's memory, already tracked."""
        copy = self.acquire()
        if copy is None or copy.shape != image.shape:
            copy = np.empty(image.shape, np.uint8)
        np.copyto(copy, image)
        self.add(copy)
        return copy
