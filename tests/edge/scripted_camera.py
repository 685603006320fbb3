"""A camera with a scripted driver."""

import threading
import time

import videos

from edge.capture.live import Backoff, LiveSource
from edge.capture.source import CaptureConfig


class Device:
    """A camera driver that delivers the given frames, then fails."""

    def __init__(self, frames, fps=30.0):
        self.frames, self.fps, self.released = list(frames), fps, False

    def read(self):
        return (True, self.frames.pop(0)) if self.frames else (False, None)

    def get(self, _):
        return self.fps

    def release(self):
        self.released = True


def camera(*devices, first_s=0.001, **config):
    """A camera that becomes the next of the devices each time it is opened. first_s: None for the default backoff."""
    waiting, opened = list(devices), []

    def open_device():
        opened.append(time.monotonic())
        return waiting.pop(0) if waiting else Device([])

    config = CaptureConfig(**{"give_up_s": 0.1, **config})
    backoff = None if first_s is None else Backoff(first_s, 8 * first_s)
    return LiveSource("/dev/video9", open_device, config, hint=lambda: "check cable", backoff=backoff), opened


def showing(*numbers, width=320):
    return Device([videos.image(n, width) for n in numbers])


class Hanging(Device):
    """A driver that blocks when it has no frame, as GStreamer does up to OpenCV 4.6, until ``event`` is set."""

    def __init__(self, frames):
        super().__init__(frames)
        self.event = threading.Event()

    def read(self):
        if not self.frames:
            self.event.wait()
        return super().read()
