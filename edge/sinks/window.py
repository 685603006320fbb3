"""Show frames in a window."""

from __future__ import annotations

import os
import select
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import cv2

from edge.contract.errors import OutputError
from edge.contract.types import FrameResult
from edge.drawing.overlay import Overlay
from edge.sinks.sink import Sink, StopRequested

TITLE = "skd-edge (press q to quit)"
PROBE = "import cv2, sys; cv2.namedWindow('probe'); cv2.waitKey(1); print('shown', flush=True); sys.stdin.read()"
"""Opens a window and waits until it is killed or its stdin closes."""
PROBE_TIMEOUT_S = 60.0
NO_WINDOW_HINT = "run without a window; --sinks.page 8080 shows the same in a browser"
LARGEST = (1280, 720)
"""Largest initial size of the window, width and height in pixels; it can be resized."""
QUIT_KEYS = frozenset({ord("q"), 27})


@contextmanager
def window_sink(overlay: Overlay) -> Iterator[Sink]:
    """Show every frame; raise StopRequested when q or Escape is pressed or the window is closed.

    Raises OutputError if no window can be shown.
    """
    with probe_window():
        # Silence OpenCV's Qt about fonts that only its toolbar needs.
        os.environ.setdefault("QT_LOGGING_RULES", "default.warning=false")
        # GUI_NORMAL: without OpenCV's toolbar.
        cv2.namedWindow(TITLE, cv2.WINDOW_NORMAL | cv2.WINDOW_KEEPRATIO | cv2.WINDOW_GUI_NORMAL)
    try:
        yield _Window(overlay)
    finally:
        cv2.destroyAllWindows()  # destroyWindow fails on a closed window


class _Window:
    """The sink; see :class:`edge.sinks.sink.Interactive`."""

    def __init__(self, overlay: Overlay) -> None:
        self._overlay, self._was_open, self._was_sized = overlay, False, False

    def __call__(self, result: FrameResult) -> None:
        image = self._overlay.render(result)
        if not self._was_sized:  # by default a window is 400 pixels wide
            self._was_sized = True
            cv2.resizeWindow(TITLE, *_initial_size(image.shape[1], image.shape[0]))
        cv2.imshow(TITLE, image)
        self.handle_events()

    def handle_events(self) -> None:
        is_quit = cv2.waitKey(1) & 0xFF in QUIT_KEYS
        is_open = _is_open()
        # imshow would reopen a closed window. Some OpenCV builds never report an open one.
        if is_quit or (self._was_open and not is_open):
            raise StopRequested
        self._was_open = is_open


def _initial_size(width: int, height: int) -> tuple[int, int]:
    """The image's size, scaled down to LARGEST."""
    scale = min(1.0, LARGEST[0] / width, LARGEST[1] / height)
    return round(scale * width), round(scale * height)


def _is_open() -> bool:
    try:
        return cv2.getWindowProperty(TITLE, cv2.WND_PROP_VISIBLE) > 0
    except cv2.error:
        return False  # Qt, after the last window was closed


@contextmanager
def probe_window() -> Iterator[None]:
    """Hold a window open in a subprocess. Raises OutputError if no window can be shown.

    A subprocess, because OpenCV's Qt aborts the process if DISPLAY names a screen that does not answer. It lives until
    the real window is open: an X server resets when its last client disconnects, and drops clients that connect then.
    """
    if sys.platform == "linux" and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        raise OutputError("there is no screen to show a window on", hint=f"set DISPLAY, or {NO_WINDOW_HINT}")
    # In its own session, so that Ctrl-C reaches only this process.
    probe = subprocess.Popen(
        [sys.executable, "-c", PROBE],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    assert probe.stdout is not None
    try:
        if not select.select([probe.stdout], [], [], PROBE_TIMEOUT_S)[0]:
            raise OutputError("the screen does not respond", hint=NO_WINDOW_HINT)
        if not probe.stdout.readline():
            raise _window_error(probe.communicate()[1].decode(errors="replace"), probe.returncode)
        yield
    finally:
        probe.kill()
        probe.communicate()


def _window_error(stderr: str, code: int) -> OutputError:
    if "not implemented" in stderr:
        return OutputError("this OpenCV was built without windows", hint=NO_WINDOW_HINT)
    first = next((line.strip() for line in stderr.splitlines() if line.strip()), f"code {code}")
    return OutputError(f"no window can be shown on this screen: {first}", hint=f"check DISPLAY; {NO_WINDOW_HINT}")
