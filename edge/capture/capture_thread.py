"""Read a capture on its own thread, so that a hanging driver can be abandoned."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from typing import Any

import cv2

from edge.capture.opencv import Capture, read_image
from edge.image_pool import ImagePool

OPEN_TIMEOUT_S = 30.0
"""Until the first frame: sensors start slowly, and streams begin at a key frame."""
GRACE_S = 1.0
"""Added to every timeout, so that backends that detect a stall themselves report it first and can then be closed."""


class CaptureThread:
    """Opens a capture, and reads one frame per request.

    Needed because GStreamer pipelines block forever on a silent source up to OpenCV 4.6 (JetPack's), as do many
    drivers. stall_s: timeout of a read. pool: memory for the images. fps: as the capture reports it, 0 before the
    first frame.
    """

    def __init__(self, open_capture: Callable[[], Capture], stall_s: float, pool: ImagePool) -> None:
        self._timeout_s = max(OPEN_TIMEOUT_S, 2 * stall_s) + GRACE_S
        self._stall_s, self._pool = stall_s, pool
        self.fps, self._is_closed = 0.0, False
        self._requests: queue.SimpleQueue[bool] = queue.SimpleQueue()
        self._results: queue.SimpleQueue[tuple[Any, float] | BaseException] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, args=(open_capture,), name="driver", daemon=True)
        self._thread.start()

    def read(self) -> Any:
        """The next frame; None at the end of the stream, on a timeout or after cancel(). Then it can only be closed.

        None after close(), too. Raises what opening or reading the capture raises.
        """
        if self._is_closed:
            return None
        self._requests.put(True)
        try:
            result = self._results.get(timeout=self._timeout_s)
        except queue.Empty:
            return None
        if isinstance(result, BaseException):
            raise result
        self._timeout_s = self._stall_s + GRACE_S
        image, self.fps = result
        return image

    def cancel(self) -> None:
        """Make a waiting read() return None, whatever the driver does. May be called from any thread."""
        self._results.put((None, self.fps))

    def close(self) -> None:
        """Release the capture; one that hangs is released when the driver returns, if ever."""
        self._is_closed = True
        self._requests.put(False)
        self._thread.join(GRACE_S)

    @property
    def is_hanging(self) -> bool:
        """After :meth:`close`: whether the driver has not returned yet."""
        return self._thread.is_alive()

    def _work(self, open_capture: Callable[[], Capture]) -> None:
        try:
            capture = open_capture()
        except BaseException as error:  # noqa: BLE001 read() raises it on the caller's thread
            self._results.put(error)
            return
        try:
            fps = 0.0
            while self._requests.get():
                ok, image = read_image(capture, self._pool)
                fps = fps or capture.get(cv2.CAP_PROP_FPS)
                self._results.put((image if ok else None, fps))
        except BaseException as error:  # noqa: BLE001 as above
            self._results.put(error)
        finally:
            capture.release()
