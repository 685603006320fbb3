"""Memory of images, used again: fresh memory of this size costs a page fault for every four kilobytes."""

from __future__ import annotations

import sys
import threading

import numpy as np

from edge.contract.types import Image

SPARE = 2
"""Images nobody looks at that are kept for the next ones; how many are under way goes up and down by that."""

_LIST = [np.empty(0)]
_ALONE = sys.getrefcount(_LIST[0])
"""References to an array that one list alone holds, as Python counts them while it is asked."""


class ImagePool:
    """Images that come one after the other, and are looked at on whatever threads.

    Who is given one may keep it, or a part of it, for as long as they like: an image's memory is used again once
    nothing refers to it any more. What is taken is what is looked at and at most two images more.
    """

    def __init__(self) -> None:
        self._images: list[Image] = []
        self._asking = threading.Lock()

    def acquire(self) -> Image | None:
        """An image to write the next one over; None where all are looked at."""
        with self._asking:
            # By number, for a loop's own variable would be one reference more.
            alone = [n for n in range(len(self._images)) if sys.getrefcount(self._images[n]) == _ALONE]
            # The newest is used and the oldest go: a camera that has come back may have another size for good.
            gone = alone[: -1 - SPARE]
            for n in reversed(gone):
                del self._images[n]
            return self._images[alone[-1] - len(gone)] if alone else None

    def add(self, image: Image) -> None:
        """Remember an image, new or written over one from :meth:`acquire`, that others are given now."""
        # A part of a part refers to the whole alone, so of a part nobody knows who looks at it.
        if image.base is not None:
            return
        with self._asking:
            if not any(image is known for known in self._images):
                self._images.append(image)

    def copy(self, image: Image) -> Image:
        """A copy of the image that is lent already."""
        copy = self.acquire()
        if copy is None or copy.shape != image.shape:
            copy = np.empty(image.shape, np.uint8)
        np.copyto(copy, image)
        self.add(copy)
        return copy
