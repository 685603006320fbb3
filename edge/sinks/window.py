"""A window on the screen."""

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

TITLE = "skd-edge (q ends)"
PROBE = "import cv2, sys; cv2.namedWindow('trial'); cv2.waitKey(1); print('shown', flush=True); sys.stdin.read()"
"""Until it is ended, or nobody is left who could."""
PROBE_TIMEOUT_S = 60.0
NO_WINDOW_HINT = "leave out show; --sinks.page 8080 shows the same in a browser"
LARGEST = (1280, 720)
"""Width and height in pixels with which the window opens at most; it can be drawn larger."""
QUIT_KEYS = frozenset({ord("q"), 27})


@contextmanager
def window_sink(overlay: Overlay) -> Iterator[Sink]:
    """Shows every frame; raises StopRequested when q or Escape is pressed, or the window was closed.

    Raises OutputError where no window can be shown.
    """
    with probe_window():
        # Qt inside OpenCV complains of fonts that only its buttons would need.
        os.environ.setdefault("QT_LOGGING_RULES", "default.warning=false")
        # Without OpenCV's own row of buttons; by itself it would be 400 pixels wide.
        cv2.namedWindow(TITLE, cv2.WINDOW_NORMAL | cv2.WINDOW_KEEPRATIO | cv2.WINDOW_GUI_NORMAL)
    was_there = was_sized = False

    def write(result: FrameResult) -> None:
        nonlocal was_there, was_sized
        # To show a frame would open a closed window again. Some builds of OpenCV never say that one is there.
        if was_there and not _is_there():
            raise StopRequested
        image = overlay.render(result)
        if not was_sized:
            was_sized = True
            cv2.resizeWindow(TITLE, *_fitting(image.shape[1], image.shape[0]))
        cv2.imshow(TITLE, image)
        if cv2.waitKey(1) & 0xFF in QUIT_KEYS:
            raise StopRequested
        was_there = was_there or _is_there()

    try:
        yield write
    finally:
        cv2.destroyAllWindows()  # destroyWindow fails where it was closed


def _fitting(width: int, height: int) -> tuple[int, int]:
    """The image's own size, or what fits on a small screen."""
    shrink = min(1.0, LARGEST[0] / width, LARGEST[1] / height)
    return round(shrink * width), round(shrink * height)


def _is_there() -> bool:
    try:
        return cv2.getWindowProperty(TITLE, cv2.WND_PROP_VISIBLE) > 0
    except cv2.error:
        return False  # Qt, once the last window was closed


@contextmanager
def probe_window() -> Iterator[None]:
    """OutputError where no window can be shown; within the block a process of its own shows one.

    A process of its own, because where DISPLAY names a screen that does not answer, Qt inside OpenCV ends the process.
    It stays until the window it is tried for is there: an X server whose last client leaves starts anew, and cuts off
    whoever comes meanwhile.
    """
    if sys.platform == "linux" and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        raise OutputError("there is no screen to show a window on", hint=f"set DISPLAY, or {NO_WINDOW_HINT}")
    # In a session of its own: Ctrl-C is for the run, which then ends in its own way.
    trial = subprocess.Popen(
        [sys.executable, "-c", PROBE],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    assert trial.stdout is not None
    try:
        if not select.select([trial.stdout], [], [], PROBE_TIMEOUT_S)[0]:
            raise OutputError("the screen does not answer", hint=NO_WINDOW_HINT)
        if not trial.stdout.readline():
            raise _refused(trial.communicate()[1].decode(errors="replace"), trial.returncode)
        yield
    finally:
        trial.kill()
        trial.communicate()


def _refused(said: str, code: int) -> OutputError:
    if "not implemented" in said:
        return OutputError("this OpenCV was built without windows", hint=NO_WINDOW_HINT)
    first = next((line.strip() for line in said.splitlines() if line.strip()), f"code {code}")
    return OutputError(f"no window can be shown on this screen: {first}", hint=f"check DISPLAY; {NO_WINDOW_HINT}")
