"""OpenCV without its chatter: it and the FFmpeg inside it print to stderr what our errors say better."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

# Read once, when OpenCV first touches a video: "quiet" in FFmpeg's scale.
os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")

import cv2

cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)


@contextmanager
def quiet() -> Iterator[None]:
    """Nothing written to the process's stderr inside the block is seen.

    OpenCV's FFmpeg part and libjpeg write there directly, whatever the log level.
    """
    sys.stderr.flush()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
