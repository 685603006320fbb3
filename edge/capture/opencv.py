"""OpenCV with its own logging and FFmpeg's silenced: our errors replace what they print to stderr."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Protocol

from edge.contract.errors import SkdError, SourceError
from edge.image_pool import ImagePool
from edge.stderr import suppress_stderr as suppress_stderr  # imported from here, so that OpenCV is silent first

# AV_LOG_QUIET; OpenCV reads it once, when it opens its first video.
os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
# Seconds after which a silent V4L2 camera counts as lost; OpenCV's default is ten.
os.environ.setdefault("OPENCV_VIDEOIO_V4L_SELECT_TIMEOUT", "5")

import cv2
import numpy as np

if hasattr(cv2.utils, "logging"):
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
elif hasattr(cv2, "setLogLevel"):
    cv2.setLogLevel(0)  # silent, in OpenCV 4.5 of Ubuntu 22.04 and JetPack 6


def utf8_path(path: Path | str, error: type[SkdError] = SourceError) -> str:
    """The path as text for OpenCV. Raises ``error`` for one that is not UTF-8, which would abort the process.

    Absolute, because FFmpeg takes what precedes a colon, as in 12:30.mp4, for a protocol.
    """
    text = str(path.absolute() if isinstance(path, Path) else path)
    try:
        text.encode()
    except UnicodeEncodeError as cause:
        raise error("this file name is not UTF-8, as OpenCV requires", where=text, hint="rename it") from cause
    return text


def open_video(path: Path | str) -> cv2.VideoCapture:
    """Open a video whose decoder uses all cores but one, where OpenCV supports that.

    With the default, all of them, decoding preempts the pose stage: on two cores it costs 5 % of the frame rate.
    """
    name = utf8_path(path)
    if hasattr(cv2, "CAP_PROP_N_THREADS"):
        threads = max(1, (os.cpu_count() or 1) - 1)
        capture = cv2.VideoCapture(name, cv2.CAP_ANY, [cv2.CAP_PROP_N_THREADS, threads])
        if capture.isOpened():
            return capture
    # OpenCV before 4.6, or a backend without the thread option.
    return cv2.VideoCapture(name, cv2.CAP_ANY)


_VIDEO_CAPTURE = cv2.VideoCapture
"""OpenCV's own class, whose ``read`` can write into a given image of the right size. That of other cameras, see
docs/howto/camera.md, has no argument."""


class Capture(Protocol):
    """The part of ``cv2.VideoCapture`` that is used."""

    def read(self) -> tuple[bool, Any]: ...

    def get(self, property_id: int) -> float: ...

    def release(self) -> None: ...


def read_image(capture: Capture, pool: ImagePool) -> tuple[bool, Any]:
    """Whether there is a next frame, and its image; OpenCV's captures write it into pooled memory."""
    if not isinstance(capture, _VIDEO_CAPTURE):
        return capture.read()
    ok, image = capture.read(pool.acquire())
    if ok:
        pool.add(np.asarray(image, np.uint8))
    return ok, image
