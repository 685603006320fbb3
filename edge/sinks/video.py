"""The annotated video."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import cv2

from edge.capture.opencv import suppress_stderr, utf8_path
from edge.contract.errors import ConfigError, OutputError
from edge.contract.files import atomic_write
from edge.contract.types import Image
from edge.drawing.overlay import Overlay
from edge.periodic import run_periodically
from edge.sinks.sink import Sink

CODECS = ("avc1", "mp4v")
"""H.264 plays in browsers too, but OpenCV's wheels may not encode it; MPEG-4 they always do."""

REPEAT_INTERVAL_S, REPEAT_DELAY_S = 0.5, 2.0
"""While a camera gives nothing its last frame is repeated so often, up to so long ago: more may be on its way."""

SUFFIXES = (".mp4", ".mkv", ".avi", ".mov", ".webm")


@contextmanager
def video_sink(
    path: Path, overlay: Overlay, *, fps: float, size: tuple[int, int], codec: str | None = None, live: bool = False
) -> Iterator[Sink]:
    """Writes every frame as ``overlay`` draws it, ``size`` (width, height), at the source's nominal ``fps``.

    A frame is shown from its own time to the next one's, so that a recording of a camera that was
    slower than its nominal rate plays at the speed of life. live: times go on while nothing comes, as when a camera is
    lost; the last frame is then written on as they pass, so that the next one waits for no minute of it at once.
    Raises ConfigError for a name or codec that means nothing, OutputError where the file cannot be written.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise ConfigError(f"a video cannot be called {path}", hint=f"end it in {', '.join(SUFFIXES)}")
    if codec is not None and len(codec) != 4:
        raise ConfigError(f"unknown codec {codec!r}", hint="give four letters, for instance mp4v, avc1 or vp09")
    with atomic_write(path) as partial:
        _touch(partial)
        stream = _Stream(_open(partial, path, fps, size, codec), fps)
        try:
            with run_periodically(stream.repeat, REPEAT_INTERVAL_S, "video repeats") if live else nullcontext():
                yield lambda result: stream.write(overlay.render(result), result.frame.time_s)
        finally:
            stream.close()
        _check(partial, path, stream.written)


class _Stream:
    """Images at their times in, frames at a constant rate out. written: how many so far."""

    def __init__(self, writer: cv2.VideoWriter, fps: float) -> None:
        self._writer, self._fps = writer, fps
        self._last: Image | None = None
        self._began_s = 0.0
        self._writing = threading.Lock()
        self.written = 0

    def write(self, image: Image, time_s: float) -> None:
        slot = round(time_s * self._fps)
        with self._writing:
            self._repeat_until(slot)
            if self.written <= slot:
                self._put(image)
            self._last, self._began_s = image, time.monotonic() - time_s

    def repeat(self) -> None:
        """What is not told to have ended goes on, up to a moment ago."""
        with self._writing:
            self._repeat_until(round((time.monotonic() - self._began_s - REPEAT_DELAY_S) * self._fps))

    def _repeat_until(self, slot: int) -> None:
        while self._last is not None and self.written < slot:
            self._put(self._last)

    def _put(self, image: Image) -> None:
        self._writer.write(image)
        self.written += 1

    def close(self) -> None:
        with suppress_stderr():
            self._writer.release()


def _touch(partial: Path) -> None:
    # OpenCV does not say why it cannot open a file; the system does, and `replacing` passes it on.
    with partial.open("wb"):
        pass


def _open(partial: Path, path: Path, fps: float, size: tuple[int, int], codec: str | None) -> cv2.VideoWriter:
    there = utf8_path(partial, OutputError)
    for name in (codec,) if codec else CODECS:
        with suppress_stderr():
            writer = cv2.VideoWriter(there, cv2.VideoWriter.fourcc(*name), fps, size)
        if writer.isOpened():
            return writer
    raise OutputError(
        f"OpenCV cannot encode {codec or ' or '.join(CODECS)} here",
        where=path,
        hint="choose another codec, for instance mp4v, or another kind of file",
    )


def _check(partial: Path, path: Path, written: int) -> None:
    """OpenCV does not notice a disk that is full: read back what it says it wrote."""
    with suppress_stderr():
        capture = cv2.VideoCapture(str(partial))
        frames, readable = int(capture.get(cv2.CAP_PROP_FRAME_COUNT)), capture.read()[0]
        capture.release()
    # Containers without an index count by their length, which may be a frame or two short.
    if not readable or frames < written - 2 - written // 50:
        raise OutputError(
            f"the video came out damaged: {max(frames, 0)} of {written} frames can be read back",
            where=path,
            hint="free space there, or choose another place",
        )
