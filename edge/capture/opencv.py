"""OpenCV without its chatter: it and the FFmpeg inside it print to stderr what our errors say better."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Protocol

from edge.contract.errors import SkdError, SourceError
from edge.image_pool import ImagePool
from edge.stderr import suppress_stderr as suppress_stderr  # imported from here, so that OpenCV is silent first

# Read once, when OpenCV first touches a video: "quiet" in FFmpeg's scale.
os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
# Seconds after which a silent V4L2 camera counts as lost; OpenCV waits ten.
os.environ.setdefault("OPENCV_VIDEOIO_V4L_SELECT_TIMEOUT", "5")

import cv2
import numpy as np

if hasattr(cv2.utils, "logging"):
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
elif hasattr(cv2, "setLogLevel"):
    cv2.setLogLevel(0)  # silent, as Ubuntu 22.04's OpenCV 4.5, which JetPack 6 has, calls it


def utf8_path(path: Path | str, error: type[SkdError] = SourceError) -> str:
    """The path as OpenCV takes it. Raises ``error`` for one that is not UTF-8, over which OpenCV ends the process."""
    text = str(path)
    try:
        text.encode()
    except UnicodeEncodeError as cause:
        raise error("this name is not UTF-8, and OpenCV opens no other", where=text, hint="rename it") from cause
    return text


def open_video(path: str) -> cv2.VideoCapture:
    """A video that is decoded on all cores but one, where OpenCV lets that be said.

    On all of them, as by default, decoding takes the pose stage's core from it again and again: on two cores 5 % of the
    frames a second.
    """
    path = utf8_path(path)
    if hasattr(cv2, "CAP_PROP_N_THREADS"):
        threads = max(1, (os.cpu_count() or 1) - 1)
        capture = cv2.VideoCapture(path, cv2.CAP_ANY, [cv2.CAP_PROP_N_THREADS, threads])
        if capture.isOpened():
            return capture
    # OpenCV before 4.6, or a backend that knows of no threads.
    return cv2.VideoCapture(path, cv2.CAP_ANY)


_OPENCVS = cv2.VideoCapture
"""Writes an image into the memory it is given, where the size is right."""


class Capture(Protocol):
    """What is used of ``cv2.VideoCapture``."""

    def read(self) -> tuple[bool, Any]: ...

    def get(self, property_id: int) -> float: ...

    def release(self) -> None: ...


def read_image(capture: Capture, memory: ImagePool) -> tuple[bool, Any]:
    """Whether there is a next frame, and its image; of OpenCV's captures in memory that is used again."""
    if not isinstance(capture, _OPENCVS):
        return capture.read()
    ok, image = capture.read(memory.acquire())
    if ok:
        memory.add(np.asarray(image, np.uint8))
    return ok, image
