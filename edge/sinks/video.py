"""Write the annotated video."""

from __future__ import annotations

import os
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import cv2

from edge.capture.opencv import suppress_stderr, utf8_path
from edge.contract.errors import OutputError
from edge.contract.files import atomic_write, wrap_write_errors
from edge.contract.types import Image
from edge.drawing.overlay import Overlay
from edge.periodic import run_periodically
from edge.sinks.sink import Sink

CODECS = ("avc1", "mp4v", "VP80")
"""H.264 plays in browsers, but not every OpenCV build can encode it; all wheels can encode MPEG-4. WebM allows only
VP8, of these."""

REPEAT_INTERVAL_S, REPEAT_DELAY_S = 0.5, 2.0
"""While a camera delivers nothing, its last frame is repeated at this interval, up to this long before now, because a
frame may still be in the pipeline."""

MIN_FREE_BYTES = 1 << 16
"""With less space left the disk counts as full; FFmpeg writes 32 kB at a time."""


@contextmanager
def video_sink(
    path: Path,
    overlay: Overlay,
    *,
    fps: float,
    size: tuple[int, int],
    codec: str | None = None,
    live: bool = False,
    warn: Callable[[str], None] = lambda text: None,
) -> Iterator[Sink]:
    """Write annotated frames of ``size`` (width, height) at the source's nominal ``fps``.

    A frame is repeated until the next one's time, so the video plays in real time even if the camera was slower than
    its nominal rate. live: repeat the last frame while a camera is lost, as time passes; otherwise the next frame
    would have to write the whole gap at once. warn: receives one line when the first frame cannot be written.
    Raises OutputError if the file cannot be written.
    """
    with atomic_write(path) as partial:
        stream = _Stream(_open(partial, path, fps, size, codec), fps, partial, warn)
        try:
            with run_periodically(stream.repeat, REPEAT_INTERVAL_S, "video repeats") if live else nullcontext():
                yield lambda result: stream.write(overlay.render(result), result.frame.time_s)
        finally:
            stream.close()
        _check(partial, path, stream.written)


def require_encoder(path: Path, fps: float, size: tuple[int, int], codec: str | None) -> None:
    """Raise OutputError if OpenCV cannot encode such a video here."""
    # In the folder of the video, because a container may have no other that is writable.
    beside = Path(os.path.realpath(path)).parent
    with wrap_write_errors(path):
        beside.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=beside) as folder:
            _open(Path(folder) / path.name, path, fps, size, codec).release()


class _Stream:
    """Resample timed images to a constant frame rate. written: frames so far."""

    def __init__(self, writer: cv2.VideoWriter, fps: float, partial: Path, warn: Callable[[str], None]) -> None:
        self._writer, self._fps, self._partial, self._warn = writer, fps, partial, warn
        self._is_full = False
        self._last: Image | None = None
        self._start_s = 0.0
        self._lock = threading.Lock()
        self.written = 0

    def write(self, image: Image, time_s: float) -> None:
        slot = round(time_s * self._fps)
        with self._lock:
            self._repeat_until(slot)
            if self.written <= slot:
                self._put(image)
            self._last, self._start_s = image, time.monotonic() - time_s

    def repeat(self) -> None:
        """Repeat the last image up to REPEAT_DELAY_S ago."""
        with self._lock:
            self._repeat_until(round((time.monotonic() - self._start_s - REPEAT_DELAY_S) * self._fps))

    def _repeat_until(self, slot: int) -> None:
        while self._last is not None and self.written < slot:
            self._put(self._last)

    def _put(self, image: Image) -> None:
        # OpenCV before 5 returns None, also when the disk is full.
        failed = self._writer.write(image) is False or shutil.disk_usage(self._partial.parent).free < MIN_FREE_BYTES
        if failed and not self._is_full:
            self._is_full = True
            self._warn(f"warning: {self._partial}: the disk is full or refuses frames; free space, or it is lost")
        self.written += 1

    def close(self) -> None:
        with suppress_stderr():
            self._writer.release()


def _open(partial: Path, path: Path, fps: float, size: tuple[int, int], codec: str | None) -> cv2.VideoWriter:
    name = utf8_path(partial, OutputError)
    for code in (codec,) if codec else CODECS:
        with suppress_stderr():
            writer = cv2.VideoWriter(name, cv2.VideoWriter.fourcc(*code), fps, size)
        if writer.isOpened():
            return writer
    raise OutputError(
        f"OpenCV cannot encode {codec or ' or '.join(CODECS)} here",
        where=path,
        hint="choose another codec or suffix: mp4v in .mp4 is always available",
    )


def _check(partial: Path, path: Path, written: int) -> None:
    """Read the video back, because OpenCV does not report a full disk."""
    with suppress_stderr():
        capture = cv2.VideoCapture(str(partial))
        frames, readable = int(capture.get(cv2.CAP_PROP_FRAME_COUNT)), capture.read()[0]
        capture.release()
    # Without an index OpenCV estimates the count from the duration, which may be a frame or two short.
    if not readable or frames < written - 2 - written // 50:
        raise OutputError(
            f"the video is damaged: {max(frames, 0)} of {written} frames can be read back",
            where=path,
            hint="free space there, or choose another place",
        )
