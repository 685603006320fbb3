"""Raw frames on stdin: any program that has images can give them."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import BinaryIO

import cv2
import numpy as np

from edge.capture.flip import Flipping
from edge.capture.source import CaptureConfig, RecordedSource
from edge.contract.errors import ConfigError, SourceError
from edge.contract.reading import wrap_read_errors
from edge.contract.types import Frame, Image

FALLBACK_FPS = 10.0

# Rows of the array that holds an image of height H (times H), its channels, and the conversion to BGR.
_FORMATS: dict[str, tuple[float, int, int | None]] = {
    "bgr": (1, 3, None),
    "rgb": (1, 3, cv2.COLOR_RGB2BGR),
    "gray": (1, 1, cv2.COLOR_GRAY2BGR),
    "i420": (1.5, 1, cv2.COLOR_YUV2BGR_I420),
    "nv12": (1.5, 1, cv2.COLOR_YUV2BGR_NV12),
    "yuyv": (1, 2, cv2.COLOR_YUV2BGR_YUYV),
}

_ONE_PIXEL = ((1, 1), (1, 3))
"""Rows and channels of the formats that share nothing between neighbouring pixels."""


class RawFrames(RecordedSource):
    """See :class:`edge.capture.source.Source`. Frames follow each other without a header; the writer waits for us.

    config: width, height, and codec, which is bgr unless told otherwise; fps gives the frames their times.
    Raises ConfigError where the size is missing, SourceError where no whole frame comes, or the last is cut.
    """

    length_frames: int | None = None

    def __init__(self, config: CaptureConfig, stream: BinaryIO | None = None) -> None:
        self.uri, self._stream, self._flipped = "-", stream or sys.stdin.buffer, Flipping(config.flip)
        codec = config.codec or "bgr"
        if codec not in _FORMATS:
            raise ConfigError(f"raw frames have no codec {codec!r}", hint=f"known: {', '.join(_FORMATS)}")
        if not config.width or not config.height:
            raise ConfigError("raw frames need a size", hint="give it with the source: '-?width=640&height=480&fps=30'")
        rows, channels, self._conversion = _FORMATS[codec]
        if (rows != 1 and config.height % 2) or ((rows, channels) not in _ONE_PIXEL and config.width % 2):
            raise ConfigError(f"{codec} frames have an even width and height", hint="give those of the frames")
        self._shape = (round(rows * config.height), config.width, channels)
        self._codec, self.fps = codec, config.fps or FALLBACK_FPS
        first = self._read()
        if first is None:
            raise SourceError(
                "no frame came on stdin", where="-", hint="give raw frames, for instance from ffmpeg -f rawvideo"
            )
        self._first, self.size = first, (first.shape[1], first.shape[0])

    def describe(self) -> str:
        return f"stdin: raw {self._codec}, {self.size[0]}x{self.size[1]}, {self.fps:.4g} frames/s"

    def __iter__(self) -> Iterator[Frame]:
        index, image = 0, self._first
        while True:
            yield Frame(index, index / self.fps, image)
            index += 1
            again = self._read()
            if again is None:
                return
            image = again

    def close(self) -> None:
        """Stdin is not ours to close."""

    def _read(self) -> Image | None:
        wanted = int(np.prod(self._shape))
        with wrap_read_errors("-", SourceError, "give raw frames, for instance from ffmpeg -f rawvideo"):
            data = self._stream.read(wanted)
        if not data:
            return None
        if len(data) < wanted:
            raise SourceError(
                f"the last frame breaks off after {len(data)} of {wanted} bytes",
                where="-",
                hint="check that width, height and codec are those of the frames",
            )
        raw = np.frombuffer(data, np.uint8).reshape(self._shape)
        image = raw if self._conversion is None else cv2.cvtColor(raw, self._conversion)
        return self._flipped(np.asarray(image, np.uint8))
