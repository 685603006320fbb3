"""Raw frames on stdin, written by any program that produces images."""

from __future__ import annotations

import os
import select
import threading
from collections.abc import Iterator

import cv2
import numpy as np

from edge.capture.flip import Flipper
from edge.capture.source import CaptureConfig, RecordedSource
from edge.contract.errors import ConfigError, SourceError
from edge.contract.reading import wrap_read_errors
from edge.contract.types import Frame, Image

FALLBACK_FPS = 10.0
CANCEL_POLL_MS = 100
"""Interval at which a read that waits for the writer checks whether it was cancelled."""

# Rows of the array per row of the image, its channels, and the conversion to BGR.
_FORMATS: dict[str, tuple[float, int, int | None]] = {
    "bgr": (1, 3, None),
    "rgb": (1, 3, cv2.COLOR_RGB2BGR),
    "gray": (1, 1, cv2.COLOR_GRAY2BGR),
    "i420": (1.5, 1, cv2.COLOR_YUV2BGR_I420),
    "nv12": (1.5, 1, cv2.COLOR_YUV2BGR_NV12),
    "yuyv": (1, 2, cv2.COLOR_YUV2BGR_YUYV),
}

_UNSUBSAMPLED = ((1, 1), (1, 3))
"""Rows and channels of the formats whose pixels share no chroma samples; the others need an even width."""

_HINT = "pipe raw frames into it, for instance from ffmpeg -f rawvideo"


class RawFrames(RecordedSource):
    """Frames without headers, back to back. See :class:`edge.capture.source.Source`. The writer waits for the reader.

    config: width, height, and codec (default bgr); fps sets the frames' times. descriptor: file descriptor to read.
    Raises ConfigError where the size is missing; SourceError where no whole frame arrives, or the last is truncated.
    """

    length_frames: int | None = None

    def __init__(self, config: CaptureConfig, descriptor: int = 0) -> None:
        self.uri, self._descriptor, self._flip = "-", descriptor, Flipper(config.flip)
        self._cancelled = threading.Event()
        codec = config.codec or "bgr"
        if codec not in _FORMATS:
            raise ConfigError(f"unknown codec {codec!r} for raw frames", hint=f"known: {', '.join(_FORMATS)}")
        if not config.width or not config.height:
            raise ConfigError("raw frames need a size", hint="give it with the source: '-?width=640&height=480&fps=30'")
        rows, channels, self._conversion = _FORMATS[codec]
        if (rows != 1 and config.height % 2) or ((rows, channels) not in _UNSUBSAMPLED and config.width % 2):
            raise ConfigError(
                f"{codec} needs an even size, not {config.width}x{config.height}", hint="give the size of the frames"
            )
        self._shape = (round(rows * config.height), config.width, channels)
        self._codec, self.fps = codec, config.fps or FALLBACK_FPS
        if os.isatty(descriptor):
            raise SourceError("stdin is a terminal", where="-", hint=_HINT)
        self._readable = select.poll()
        self._readable.register(descriptor, select.POLLIN)
        first = self._read()
        if first is None:
            raise SourceError("no frame received on stdin", where="-", hint=_HINT)
        self._first, self.size = first, (first.shape[1], first.shape[0])

    def describe(self) -> str:
        return f"stdin: raw {self._codec}, {self.size[0]}x{self.size[1]}, {self.fps:.4g} frames/s"

    def __iter__(self) -> Iterator[Frame]:
        image: Image | None = self._first
        index = 0
        while image is not None:
            yield Frame(index, index / self.fps, image)
            index += 1
            image = self._read()

    def cancel(self) -> None:
        self._cancelled.set()

    def _read(self) -> Image | None:
        """The next frame, or None at the end of the stream or after cancel()."""
        raw = np.empty(self._shape, np.uint8)
        received = self._fill(raw.data.cast("B"))
        if not received or self._cancelled.is_set():
            return None
        if received < raw.size:
            raise SourceError(
                f"the last frame is truncated: {received} of {raw.size} bytes",
                where="-",
                hint="check that width, height and codec match the frames",
            )
        image = raw if self._conversion is None else cv2.cvtColor(raw, self._conversion)
        return self._flip(np.asarray(image, np.uint8))

    def _fill(self, buffer: memoryview) -> int:
        """Read until the buffer is full, the stream ends or the source is cancelled. Returns the number of bytes."""
        received = 0
        with wrap_read_errors("-", SourceError, _HINT):
            while received < len(buffer) and not self._cancelled.is_set():
                if not self._readable.poll(CANCEL_POLL_MS):
                    continue
                count = os.readv(self._descriptor, [buffer[received:]])
                if not count:
                    break
                received += count
        return received
