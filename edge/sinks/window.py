"""Show images in a window, which is a process of its own: an X server that dies ends every process with a window, and
one that hangs never returns."""

from __future__ import annotations

import os
import select
import struct
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from subprocess import PIPE

from edge.contract.errors import OutputError
from edge.contract.types import Image
from edge.sinks.sink import StopRequested

COMMAND = (sys.executable, str(Path(__file__).with_name("window_process.py")))
OPEN_TIMEOUT_S = 60.0
NO_WINDOW_HINT = "run without a window; edge run --sinks.page 8080 shows the same in a browser"


@contextmanager
def open_window() -> Iterator[Window]:
    """Open a window, and close it after the block. Raises OutputError if none can be shown."""
    if not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        raise OutputError("there is no screen to show a window on", hint=f"set DISPLAY, or {NO_WINDOW_HINT}")
    with os.fdopen(os.memfd_create("window"), "wb", buffering=0) as memory:
        command, shared = (*COMMAND, str(memory.fileno())), [memory.fileno()]
        # In its own session, so that Ctrl-C reaches only this process.
        process = subprocess.Popen(
            command, stdin=PIPE, stdout=PIPE, stderr=PIPE, pass_fds=shared, start_new_session=True
        )
        window = Window(process, memory.fileno())
        try:
            if not window.has_answered(OPEN_TIMEOUT_S):
                raise _opening_error(process.communicate()[1].decode(errors="replace"), process.returncode)
            yield window
        finally:
            process.kill()
            process.communicate()


class Window:
    """process, memory: see edge/sinks/window_process.py."""

    def __init__(self, process: subprocess.Popen[bytes], memory: int) -> None:
        assert process.stdin is not None and process.stdout is not None
        self._process, self._memory = process, memory
        self._requests, self._answers = process.stdin, process.stdout

    def show(self, image: Image) -> None:
        """Return once it is on the screen. Raises as :meth:`check` does."""
        os.pwrite(self._memory, image.data, 0)
        with suppress(BrokenPipeError):  # the process has ended
            self._requests.write(struct.pack("=II", *image.shape[:2]))
            self._requests.flush()
        if not self.has_answered(None):
            self._process.wait()
            self.check()

    def check(self) -> None:
        """Raise StopRequested if the user has pressed q or closed the window, OutputError if the screen is gone."""
        code = self._process.poll()
        if code == 0:
            raise StopRequested
        if code is not None:
            raise OutputError("the window was lost, probably with its screen", hint=f"check it, or {NO_WINDOW_HINT}")

    def has_answered(self, timeout_s: float | None) -> bool:
        """Wait until the window is open, or has shown the image. False if its process has ended."""
        if not select.select([self._answers], [], [], timeout_s)[0]:
            raise OutputError("the screen does not respond", hint=NO_WINDOW_HINT)
        return bool(os.read(self._answers.fileno(), 1))


def _opening_error(stderr: str, code: int) -> OutputError:
    if "not implemented" in stderr:
        return OutputError("this OpenCV was built without windows", hint=NO_WINDOW_HINT)
    first = next((line.strip() for line in stderr.splitlines() if line.strip()), f"code {code}")
    return OutputError(f"no window can be shown on this screen: {first}", hint=f"check DISPLAY; {NO_WINDOW_HINT}")
