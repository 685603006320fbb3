"""A capture on a thread of its own, so that a driver that hangs can be left behind."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from typing import Any

import cv2

from edge.capture.opencv import Capture, read_image
from edge.image_pool import ImagePool

OPENING_S = 30.0
"""A camera may take so long to open; sensors are slow to start, and the first frame waits for a key frame."""
SLACK_S = 1.0
"""Backends that notice a stall themselves, and can be closed then, come first."""


class CaptureThread:
    """Opens a capture, and reads it when asked.

    Up to OpenCV 4.6, which JetPack has, a GStreamer pipeline that falls silent is waited for without end, and so is
    many a driver. stall_s: how long a frame is waited for. memory: what images are written into. fps: what the
    capture says, 0 before the first frame.
    """

    def __init__(self, open_capture: Callable[[], Capture], stall_s: float, memory: ImagePool) -> None:
        self._patience_s = max(OPENING_S, 2 * stall_s) + SLACK_S
        self._stall_s, self._memory = stall_s, memory
        self.fps = 0.0
        self._asked: queue.SimpleQueue[bool] = queue.SimpleQueue()
        self._answers: queue.SimpleQueue[tuple[Any, float] | BaseException] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, args=(open_capture,), name="driver", daemon=True)
        self._thread.start()

    def read(self) -> Any:
        """The next frame; None where the source gives none, or nothing is heard of it for too long.

        Raises what opening or reading raises. After None it can only be closed.
        """
        self._asked.put(True)
        try:
            answer = self._answers.get(timeout=self._patience_s)
        except queue.Empty:
            return None
        if isinstance(answer, BaseException):
            raise answer
        self._patience_s = self._stall_s + SLACK_S
        image, self.fps = answer
        return image

    def give_up(self) -> None:
        """From any thread: who waits for a frame gets None now, whatever the driver does."""
        self._answers.put((None, self.fps))

    def close(self) -> None:
        """Released when this returns, unless it hangs: then when, and if, the driver comes back."""
        self._asked.put(False)
        self._thread.join(SLACK_S)

    @property
    def hangs(self) -> bool:
        """After :meth:`close`: whether the driver has not come back yet."""
        return self._thread.is_alive()

    def _work(self, open_capture: Callable[[], Capture]) -> None:
        try:
            capture = open_capture()
        except BaseException as error:  # noqa: BLE001 raised again by read(), on the thread that waits there
            self._answers.put(error)
            return
        try:
            fps = 0.0
            while self._asked.get():
                ok, image = read_image(capture, self._memory)
                fps = fps or capture.get(cv2.CAP_PROP_FPS)
                self._answers.put((image if ok else None, fps))
        except BaseException as error:  # noqa: BLE001 as above
            self._answers.put(error)
        finally:
            capture.release()
