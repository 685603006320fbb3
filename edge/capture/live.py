"""Cameras and streams: read without end, lost and found again."""

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
from edge.capture.source import CaptureConfig, Flip, ignore_event
from edge.contract.errors import SourceError
from edge.contract.types import Event, Frame, Image
from edge.image_pool import ImagePool

FALLBACK_FPS = 30.0
OLD_S = 0.5
"""A first frame older than this is not begun with."""
MOST_HANGING = 8
"""Each attempt that hangs in the driver keeps a thread and memory; where so many do, a process of its own is needed."""


@dataclass(frozen=True)
class Backoff:
    """Waits between attempts to open a lost source again: each twice the last, from ``first_s`` up to ``most_s``."""

    first_s: float = 0.25
    most_s: float = 8.0


class LiveSource:
    """See :class:`edge.capture.source.Source`. Times are seconds since the first frame, by a clock that never jumps.

    uri: for people. open_capture: opens the device or stream; called again when it is lost. flip: what is left to
    do here of ``config.flip``. hint: what to check where there is no frame.
    Raises SourceError where no frame comes at first, or the source is lost for longer than ``config.give_up_s``.
    """

    live = True
    length_frames: int | None = None
    on_event: Callable[[Event], None] = staticmethod(ignore_event)

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
        self._capture: CaptureThread | None = None
        self._left: list[CaptureThread] = []
        self._because = ""
        self._memory, self._flip = ImagePool(), Flipper(flip)
        with suppress_stderr():
            first = self._reopen()
        if first is None:
            self.close()
            raise SourceError(f"no frame comes from it{self._because}", where=uri, hint=hint())
        fps = self._capture.fps if self._capture is not None else 0.0
        self.fps = fps if 0 < fps < 1000 else config.fps or FALLBACK_FPS
        self._first, self.size, self._opened = first, (first.shape[1], first.shape[0]), time.monotonic()

    def describe(self) -> str:
        return f"live {self.uri}: {self.size[0]}x{self.size[1]}, {self.fps:.4g} frames/s"

    def __iter__(self) -> Iterator[Frame]:
        image, start, index = self._up_to_date(), time.monotonic(), 0
        while not self._cancelled.is_set():
            yield Frame(index, time.monotonic() - start if index else 0.0, self._fitted(image))
            index += 1
            again = self._read()
            if again is None:
                again = self._found_again(start)
            if again is None:
                return
            image = again

    def cancel(self) -> None:
        self._cancelled.set()
        if (capture := self._capture) is not None:
            capture.give_up()

    def close(self) -> None:
        if self._capture is not None:
            self._capture.close()
            self._left.append(self._capture)
            self._capture = None

    def _up_to_date(self) -> Image:
        """The first frame; after a while, as engines take to load, the last of those that have come meanwhile.

        They wait in the driver or the network, and would come all at once: seconds of people in quick motion.
        """
        image, waited_s = self._first, time.monotonic() - self._opened
        if waited_s < OLD_S:
            return image
        for _ in range(int(waited_s * self.fps)):
            asked = time.monotonic()
            newer = None if self._cancelled.is_set() else self._read()
            if newer is None:
                break
            image = newer
            if time.monotonic() - asked > 0.5 / self.fps:  # it was waited for, so that there are no more
                break
        return image

    def _found_again(self, start: float) -> Image | None:
        """The first frame after a loss; None where nobody waits any more."""
        lost = time.monotonic()
        if self._cancelled.is_set():
            return None
        trying = f"opening it again until {self._config.give_up_s:g} s have passed"
        text = f"{self.uri} gives no frames{self._because}; {trying}"
        self.on_event(Event("source_lost", lost - start, text=text))
        wait_s = self._backoff.first_s
        while time.monotonic() - lost <= self._config.give_up_s:
            if self._cancelled.wait(wait_s):
                return None
            image = self._found()
            if image is not None:
                away_s = time.monotonic() - lost
                text = f"{self.uri} is back after {away_s:.1f} s"
                self.on_event(Event("source_back", time.monotonic() - start, since_s=lost - start, text=text))
                return image
            wait_s = min(2 * wait_s, self._backoff.most_s)
        raise SourceError(
            f"it dropped out and did not come back within {self._config.give_up_s:g} s{self._because}",
            where=self.uri,
            hint=f"check cable and power; {self._hint()}",
        )

    def _found(self) -> Image | None:
        """The first frame after opening it again, or None."""
        self.close()
        self._left = [capture for capture in self._left if capture.hangs]
        if len(self._left) >= MOST_HANGING:
            raise SourceError(
                f"it dropped out, and {MOST_HANGING} attempts to open it hang in its driver",
                where=self.uri,
                hint="start again; where that does not help, the board, or the camera",
            )
        try:
            return self._reopen()
        except RuntimeError as error:
            self._because = _in_brackets(error)  # the system has no thread for it, which may be so for a moment
            return None

    def _reopen(self) -> Image | None:
        self._capture = CaptureThread(self._open, self._config.stall_s, self._memory)
        # Whoever cancelled before that was there has not told it.
        return None if self._cancelled.is_set() else self._read()

    def _read(self) -> Image | None:
        """The next frame; None where there is none, or OpenCV fails over it as over a damaged one."""
        if self._capture is None:
            return None
        try:
            image = self._capture.read()
        except cv2.error as error:
            self._because = _in_brackets(error)
            return None
        self._because = ""
        return self._flip(np.asarray(image, np.uint8)) if image is not None else None

    def _fitted(self, image: Image) -> Image:
        """A camera may come back with another size, but a recording of it has one."""
        if (image.shape[1], image.shape[0]) == self.size:
            return image
        return np.asarray(cv2.resize(image, self.size, interpolation=cv2.INTER_AREA), np.uint8)


def _in_brackets(error: Exception) -> str:
    return f" ({' '.join(str(error).split())})"
