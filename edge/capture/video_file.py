"""Video files, local or over HTTP, read with OpenCV."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import NoReturn

import cv2
import numpy as np

from edge.capture.capture_thread import CaptureThread
from edge.capture.flip import Flipper
from edge.capture.gstreamer import file_pipeline, pipeline_opener
from edge.capture.opencv import open_video, read_image, suppress_stderr
from edge.capture.source import CaptureConfig, RecordedSource
from edge.contract.errors import SourceError
from edge.contract.passwords import without_passwords
from edge.contract.reading import wrap_read_errors
from edge.contract.types import Frame, Image
from edge.image_pool import ImagePool

SUFFIXES = (".mp4", ".avi", ".mov", ".mkv", ".webm", ".m4v", ".mpg", ".mpeg", ".wmv", ".3gp")
FALLBACK_FPS = 30.0
MAX_FPS = 300.0
"""A file that claims more gives its time base, not its frame rate."""
MAX_GAP_S = 600.0
"""A larger step from one frame to the next is a damaged time; the written video would repeat the frame to fill it."""

TRUNCATED_S = 0.5
"""A file that ends this much, plus 5 % of its length, before the duration in its header counts as truncated."""

HTTP_TIMEOUT_S = 30.0
"""A server that sends nothing for this long has stalled for good; the default of OpenCV's FFmpeg."""


def video_files_in(folder: Path) -> list[Path]:
    """Videos of a folder and its subfolders, sorted; without hidden files, such as the ._01.mp4 that macOS writes."""
    found = (path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file())
    return sorted(path for path in found if not path.name.startswith("."))


class VideoFile(RecordedSource):
    """See :class:`edge.capture.source.Source`. Applies the file's rotation flag.

    Reads the first frame on opening. Raises SourceError for a file that is missing, not a video, or has no frames;
    while iterating, for a truncated one.
    """

    def __init__(self, path: Path | str, config: CaptureConfig) -> None:
        """path: a Path for a local file, text for an HTTP address."""
        self.uri, self._pool = without_passwords(str(path)), ImagePool()
        self._cancelled = threading.Event()
        if isinstance(path, Path) and not path.is_file():
            what = "not a regular file" if path.exists() else "no such file or folder"
            raise SourceError(what, where=path, hint="check the path; cameras are 0, csi://0 or rtsp://host/path")
        if isinstance(path, Path):
            # OpenCV does not say that a file may not be read.
            with wrap_read_errors(path, SourceError, "check the file and its permissions"):
                path.open("rb").close()
        if config.backend == "gstreamer" and isinstance(path, Path):
            self._flip = Flipper("none")  # the pipeline flips
            self._open = pipeline_opener(file_pipeline(path, config))
        else:
            self._flip = Flipper(config.flip)
            self._open = partial(open_video, path)
        self._capture = cv2.VideoCapture()
        self._thread: CaptureThread | None = None
        with suppress_stderr():
            if isinstance(path, Path):
                self._open_capture()
            else:  # a server may stall, and then only a thread can be abandoned
                self._thread = CaptureThread(self._open_capture, HTTP_TIMEOUT_S, self._pool)
            first = self._read()
        advice = ""
        if isinstance(path, str):
            advice = "check that the address can be reached, or download the file; "
        elif config.backend == "gstreamer":
            advice = "backend=gstreamer needs a Jetson's decoders, leave it out on other machines; "
        if not self._capture.isOpened():
            hint = "it is damaged, incomplete, of an unknown format, or has only audio"
            self._fail("not a readable video", advice + hint)
        if first is None:
            hint = "it is damaged, or OpenCV cannot decode its codec, such as AV1: convert it to H.264"
            self._fail("the video has no frames", advice + hint)
        fps = self._capture.get(cv2.CAP_PROP_FPS)
        self.fps = fps if 1 / MAX_GAP_S < fps <= MAX_FPS else FALLBACK_FPS
        frames = int(self._capture.get(cv2.CAP_PROP_FRAME_COUNT))
        self._duration_s = frames / fps if fps > 0 and frames > 0 else None
        self.length_frames = round(self._duration_s * self.fps) if self._duration_s else None
        self._first, self.size = first, (first.shape[1], first.shape[0])

    def describe(self) -> str:
        length = f", {self._duration_s:.1f} s" if self._duration_s else ""
        return f"{self.uri}: {self.size[0]}x{self.size[1]}, {self.fps:.4g} frames/s{length}"

    def __iter__(self) -> Iterator[Frame]:
        """Times are the container's, from 0; where those do not increase, or jump by more than MAX_GAP_S, the last time
        plus one frame period."""
        image, index, time_s, start_s = self._first, 0, 0.0, self._container_time_s()
        while True:
            yield Frame(index, time_s, image)
            following = self._read()
            if self._cancelled.is_set():
                return
            if following is None:
                break
            image = following
            index += 1
            container_s = self._container_time_s() - start_s
            # Some AVI files give 0 for their last frames.
            time_s = container_s if 0 < container_s - time_s <= MAX_GAP_S else time_s + 1 / self.fps
        missing_s = (self._duration_s or 0) - time_s - 1 / self.fps
        if missing_s > TRUNCATED_S + (self._duration_s or 0) / 20:
            what = f"the video is truncated: it ends after {time_s:.1f} of {self._duration_s:.1f} s"
            self._fail(what, "copy or record it again")

    def cancel(self) -> None:
        self._cancelled.set()
        if self._thread is not None:
            self._thread.cancel()

    def close(self) -> None:
        if self._thread is not None:
            self._thread.close()
        else:
            self._capture.release()

    def _open_capture(self) -> cv2.VideoCapture:
        self._capture = self._open()
        self._capture.set(cv2.CAP_PROP_ORIENTATION_AUTO, 1)
        return self._capture

    def _read(self) -> Image | None:
        """The next frame; None at the end of the file, at damage that OpenCV refuses, or if the server stalls."""
        try:
            if self._thread is not None:
                image = self._thread.read()
            else:
                ok, image = read_image(self._capture, self._pool)
                image = image if ok else None
        except cv2.error:
            return None
        return None if image is None else self._flip(np.asarray(image, np.uint8))

    def _container_time_s(self) -> float:
        return float(self._capture.get(cv2.CAP_PROP_POS_MSEC)) / 1000

    def _fail(self, what: str, hint: str) -> NoReturn:
        self.close()
        raise SourceError(what, where=self.uri, hint=hint)
