"""USB and other Video4Linux cameras, through OpenCV; on a laptop without Video4Linux, by number."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np

from edge.capture.image_folder import natural
from edge.capture.opencv import quiet
from edge.capture.source import CaptureConfig, ignore
from edge.contract.errors import SourceError
from edge.contract.types import Event, Frame, Image

DEVICES = Path("/dev")
FALLBACK_FPS = 30.0
BACKOFF_S = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0)
"""Waits between attempts to reopen a camera that dropped out; after the last it is given up."""


class Camera:
    """See :class:`edge.capture.source.Source`. Times are seconds since the first picture, by a clock that never jumps.

    device: "/dev/video0" or "0". open_device gives the OpenCV capture; it is called again when the
    camera drops out. Raises SourceError where there is no such camera, it gives no picture, or it
    drops out and does not come back.
    """

    live = True
    tell: Callable[[Event], None] = staticmethod(ignore)
    length_frames: int | None = None

    def __init__(
        self,
        device: str,
        config: CaptureConfig,
        *,
        open_device: Callable[[str, CaptureConfig], cv2.VideoCapture] | None = None,
        backoff_s: tuple[float, ...] = BACKOFF_S,
    ) -> None:
        self.uri, self._config, self._backoff_s = device, config, backoff_s
        self._cancelled = threading.Event()
        self._open = open_device or open_capture
        self._capture = cv2.VideoCapture()
        first = self._reopen()
        if first is None:
            self.close()
            raise SourceError(f"no camera opens as {device}", hint=_what_there_is())
        fps = self._capture.get(cv2.CAP_PROP_FPS)
        self.fps = fps if 0 < fps < 1000 else config.fps or FALLBACK_FPS
        self._first, self.size = first, (first.shape[1], first.shape[0])

    def describe(self) -> str:
        return f"camera {self.uri}: {self.size[0]}x{self.size[1]}, {self.fps:.4g} frames/s"

    def __iter__(self) -> Iterator[Frame]:
        start, image, index = time.monotonic(), self._first, 0
        yield Frame(0, 0.0, image)
        while not self._cancelled.is_set():
            index += 1
            image = self._next()
            yield Frame(index, time.monotonic() - start, image)

    def cancel(self) -> None:
        self._cancelled.set()

    def close(self) -> None:
        self._capture.release()

    def _next(self) -> Image:
        ok, image = self._capture.read()
        if ok:
            return np.asarray(image, np.uint8)
        for wait_s in self._backoff_s:
            self._cancelled.wait(wait_s)
            again = self._reopen()
            if again is not None:
                return again
        raise SourceError(
            "the camera dropped out and did not come back",
            where=self.uri,
            hint=f"check cable and power; {_what_there_is()}",
        )

    def _reopen(self) -> Image | None:
        """The first picture after opening, or None."""
        with quiet():
            self._capture.release()
            self._capture = self._open(self.uri, self._config)
            ok, image = self._capture.read()
        return np.asarray(image, np.uint8) if ok else None


def open_capture(device: str, config: CaptureConfig) -> cv2.VideoCapture:
    """The device with the wanted size and rate; the driver takes the nearest it has."""
    if sys.platform == "linux":
        path = f"{DEVICES}/video{device}" if device.isdecimal() else device
        capture = cv2.VideoCapture(path, cv2.CAP_V4L2)
    else:
        capture = cv2.VideoCapture(int(device) if device.isdecimal() else device)
    if config.width and config.height:
        # Uncompressed, most USB cameras give large pictures at a few frames a second only.
        capture.set(cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*"MJPG"))
        capture.set(cv2.CAP_PROP_FRAME_WIDTH, config.width)
        capture.set(cv2.CAP_PROP_FRAME_HEIGHT, config.height)
    if config.fps:
        capture.set(cv2.CAP_PROP_FPS, config.fps)
    # Otherwise what is read was taken several pictures ago.
    capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)
    return capture


def _what_there_is() -> str:
    found = [str(path) for path in sorted(DEVICES.glob("video*"), key=natural)]
    return f"there is {', '.join(found)}" if found else f"there is no {DEVICES}/video* on this machine"
