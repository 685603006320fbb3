"""A window on the screen."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import cv2

from edge.contract.errors import OutputError
from edge.contract.types import FrameResult
from edge.overlay import Overlay
from edge.sinks.sink import Enough, Sink

TITLE = "skd-edge (q ends)"
QUIT_KEYS = frozenset({ord("q"), 27})


@contextmanager
def window_sink(overlay: Overlay) -> Iterator[Sink]:
    """Shows every picture; raises Enough when q or Escape is pressed.

    Raises OutputError where there is no screen, or OpenCV was built without windows.
    """
    if sys.platform == "linux" and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        # Qt, inside OpenCV, would end the whole process.
        raise OutputError("there is no screen to show a window on", hint="leave out show, or set DISPLAY")
    try:
        cv2.namedWindow(TITLE, cv2.WINDOW_NORMAL)
    except cv2.error as error:
        raise OutputError("OpenCV was built without windows", hint="leave out show, write a video instead") from error

    def write(result: FrameResult) -> None:
        cv2.imshow(TITLE, overlay.picture(result))
        if cv2.waitKey(1) & 0xFF in QUIT_KEYS:
            raise Enough

    try:
        yield write
    finally:
        cv2.destroyWindow(TITLE)
