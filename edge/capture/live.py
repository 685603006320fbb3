"""Cameras and streams: read endlessly, and reopened with backoff when lost."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import cv2
import numpy as np

from edge.capture.capture_thread import CaptureThread
from edge.capture.flip import Flipper
from edge.capture.opencv import Capture, suppress_stderr
from edge.capture.source import CaptureConfig, Flip
from edge.contract.errors import SourceError
from edge.contract.types import Event, Frame, Image
from edge.image_pool import ImagePool

FALLBACK_FPS = 30.0
STALE_S = 0.5
"""A first frame older than this is replaced by the newest buffered one."""
MAX_HANGING = 8
"""Captures that may hang at the same time. Each keeps a thread and memory that only a new process frees."""


@dataclass(frozen=True)
class Backoff:
    """Delays between attempts to reopen a lost source: each is twice the last, from ``first_s`` up to ``max_s``."""

    first_s: float = 0.25
    max_s: float = 8.0


class LiveSource:
    """See :class:`edge.capture.source.Source`. Times are seconds since the first frame, by the monotonic clock.

    uri: for display. open_capture: opens the device or stream; called again when it is lost. flip: what is left to
    do here of ``config.flip``. hint: what the user should check when no frame arrives.
    Raises SourceError where no first frame arrives, or the source is lost for longer than ``config.give_up_s``.
    """

    live = True
    length_frames: int | None = None
    on_event: Callable[[Event], None] = staticmethod(lambda event: None)

    def __init__(
        self,
        uri: str,
        open_capture: Callable[[], Capture],
        config: CaptureConfig,
        *,
        flip: Flip = "none",
        hint: Callable[[], str],
        backoff: Backoff | None = None,
    ) -> None:
        self.uri, self._open, self._config, self._hint = uri, open_capture, config, hint
        self._backoff = backoff or Backoff()
        self._cancelled = threading.Event()
        self._hanging: set[CaptureThread] = set()
        self._cause = ""
        self._pool, self._flip = ImagePool(), Flipper(flip)
        with suppress_stderr():
            first = self._open_and_read()
        if first is None:
            self.close()
            raise SourceError(f"no frame received{self._cause}", where=uri, hint=hint())
        fps = self._capture.fps
        self.fps = fps if 0 < fps < 1000 else config.fps or FALLBACK_FPS
        self._first, self.size, self._opened = first, (first.shape[1], first.shape[0]), time.monotonic()

    def describe(self) -> str:
        return f"live {self.uri}: {self.size[0]}x{self.size[1]}, {self.fps:.4g} frames/s"

    def __iter__(self) -> Iterator[Frame]:
        image, start, index = self._skip_stale(), time.monotonic(), 0
        while not self._cancelled.is_set():
            yield Frame(index, time.monotonic() - start if index else 0.0, self._resized(image))
            index += 1
            following = self._read()
            if following is None:
                following = self._reconnect(start)
            if following is None:
                return
            image = following

    def cancel(self) -> None:
        self._cancelled.set()
        self._capture.cancel()

    def close(self) -> None:
        self._capture.close()

    def _skip_stale(self) -> Image:
        """The first frame, or the newest one if the loop took a while to start, as when engines are loaded.

        Frames that were buffered in the driver or the network meanwhile would otherwise all come at once.
        """
        image, age_s = self._first, time.monotonic() - self._opened
        if age_s < STALE_S:
            return image
        waited = 0
        for _ in range(int(age_s * self.fps)):
            before = time.monotonic()
            newer = self._read()
            if newer is None:
                break
            image = newer
            waited = waited + 1 if time.monotonic() - before > 0.5 / self.fps else 0
            if waited == 2:  # the buffer is empty; a single slow read may only mean that the machine is busy
                break
        return image

    def _reconnect(self, start: float) -> Image | None:
        """The first frame after a loss; None after cancel()."""
        lost = time.monotonic()
        if self._cancelled.is_set():
            return None
        text = f"{self.uri} delivers no frames{self._cause}; reopening it for up to {self._config.give_up_s:g} s"
        self.on_event(Event("source_lost", lost - start, text=text))
        delay_s = self._backoff.first_s
        while time.monotonic() - lost <= self._config.give_up_s:
            if self._cancelled.wait(delay_s):
                return None
            image = self._reopen()
            if image is not None:
                text = f"{self.uri} is back after {time.monotonic() - lost:.1f} s"
                self.on_event(Event("source_back", time.monotonic() - start, since_s=lost - start, text=text))
                return image
            delay_s = min(2 * delay_s, self._backoff.max_s)
        raise SourceError(
            f"it was lost and did not come back within {self._config.give_up_s:g} s{self._cause}",
            where=self.uri,
            hint=f"check cable and power; {self._hint()}",
        )

    def _reopen(self) -> Image | None:
        """The first frame after closing and opening the source once, or None."""
        self.close()
        self._hanging = {capture for capture in (*self._hanging, self._capture) if capture.is_hanging}
        if len(self._hanging) >= MAX_HANGING:
            raise SourceError(
                f"it was lost, and {MAX_HANGING} attempts to reopen it hang in its driver",
                where=self.uri,
                hint="start the command again; if that does not help, restart the camera or the board",
            )
        try:
            return self._open_and_read()
        except RuntimeError as error:
            self._cause = _in_brackets(error)  # no thread can be started, perhaps only for the moment
            return None

    def _open_and_read(self) -> Image | None:
        self._capture = CaptureThread(self._open, self._config.stall_s, self._pool)
        # cancel() may have run before the new capture was there to be cancelled.
        return None if self._cancelled.is_set() else self._read()

    def _read(self) -> Image | None:
        """The next frame; None where there is none, or OpenCV raises an error, as for a damaged JPEG."""
        try:
            image = self._capture.read()
        except cv2.error as error:
            self._cause = _in_brackets(error)
            return None
        self._cause = ""
        return self._flip(np.asarray(image, np.uint8)) if image is not None else None

    def _resized(self, image: Image) -> Image:
        """The image in the first one's size: a camera may come back with another, and a video file has only one."""
        if (image.shape[1], image.shape[0]) == self.size:
            return image
        return np.asarray(cv2.resize(image, self.size, interpolation=cv2.INTER_AREA), np.uint8)


def _in_brackets(error: Exception) -> str:
    return f" ({' '.join(str(error).split())})"
