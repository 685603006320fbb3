"""Cameras that are lost or hang, with a scripted driver."""

import threading
import time
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import videos
from scripted_camera import Device, Hanging, camera, showing

from edge.capture.live import LiveSource
from edge.capture.source import CaptureConfig
from edge.contract.errors import SourceError


def until_it_is_lost(source):
    """Frames and events up to the loss that it does not come back from."""
    seen, events = [], []
    source.on_event = events.append
    with pytest.raises(SourceError, match="did not come back within"):
        for frame in source:
            seen.append(frame)
    return seen, events


def numbers(frames):
    return [videos.number(frame.image) for frame in frames]


def test_a_lost_camera_is_reopened_and_its_clock_continues():
    source, _ = camera(showing(0, 1, 2), Device([]), showing(5, 6), first_s=0.01, give_up_s=1.0)
    seen, events = until_it_is_lost(source)
    assert numbers(seen) == [0, 1, 2, 5, 6]
    assert [f.index for f in seen] == [0, 1, 2, 3, 4]
    # Delays of 10 and 20 ms; the first attempt fails.
    assert np.diff([f.time_s for f in seen]).min() > 0 and seen[3].time_s - seen[2].time_s >= 0.03
    assert [event.kind for event in events] == ["source_lost", "source_back", "source_lost"]
    assert events[1].since_s == events[0].time_s and "/dev/video9" in events[0].text
    assert seen[0].time_s == 0 and seen[-1].time_s < 60, "seconds since the first frame"


class TimeoutLog(threading.Event):
    """Records the timeouts it is waited for with, and is set instead of waiting for the last of ``count``."""

    def __init__(self, count):
        super().__init__()
        self.count, self.timeouts = count, []

    def wait(self, timeout=None):
        self.timeouts.append(timeout)
        if len(self.timeouts) == self.count:
            self.set()
        return super().wait(timeout)


@pytest.mark.parametrize(("first_s", "waits"), [(0.01, [0.01, 0.02, 0.04, 0.08, 0.08, 0.08]), (None, [0.25, 0.5, 1])])
def test_the_delays_between_attempts_double_up_to_the_maximum(first_s, waits):
    source, opened = camera(showing(0), first_s=first_s, give_up_s=3600)
    source._cancelled = TimeoutLog(len(waits))
    assert len(list(source)) == 1 and source._cancelled.timeouts == pytest.approx(waits)
    assert (np.diff(opened) >= waits[:-1]).all()


def test_frames_of_a_camera_that_comes_back_with_another_size_are_resized():
    source, _ = camera(showing(0), showing(4, width=640))
    frames = iter(source)
    first, second = next(frames), next(frames)
    assert first.image.shape == second.image.shape == (240, 320, 3) and videos.number(second.image) == 4


def test_a_camera_without_frames_is_refused_on_opening():
    dark = Device([])
    with pytest.raises(SourceError, match="/dev/video9: no frame received; check cable"):
        camera(dark)
    assert dark.released


@pytest.mark.parametrize(
    ("says", "asked", "fps"), [(25.0, 15, 25), (0.0, 15, 15), (0.0, None, 30), (90_000.0, None, 30)]
)
def test_a_camera_without_a_plausible_rate_has_the_requested_one(says, asked, fps):
    source, _ = camera(Device([videos.image(0)], fps=says), fps=asked)
    assert source.fps == fps and source.live and source.length_frames is None and source.size == (320, 240)
    assert f"{fps} frames/s" in source.describe()


def test_a_hanging_driver_is_abandoned_and_the_camera_reopened(monkeypatch):
    monkeypatch.setattr("edge.capture.capture_thread.GRACE_S", 0.1)
    hanging = Hanging([videos.image(0), videos.image(1)])
    source, _ = camera(hanging, showing(5), stall_s=0.2)
    start = time.monotonic()
    seen, events = until_it_is_lost(source)
    assert numbers(seen) == [0, 1, 5] and time.monotonic() - start < 5
    assert [event.kind for event in events] == ["source_lost", "source_back", "source_lost"]
    assert not hanging.released
    hanging.event.set()
    deadline = time.monotonic() + 5
    while not hanging.released and time.monotonic() < deadline:
        time.sleep(0.01)
    assert hanging.released, "as soon as the driver returns"


def test_a_driver_that_hangs_while_opening_is_an_error(monkeypatch):
    monkeypatch.setattr("edge.capture.capture_thread.OPEN_TIMEOUT_S", 0.1)
    monkeypatch.setattr("edge.capture.capture_thread.GRACE_S", 0.1)
    freed = threading.Event()
    with pytest.raises(SourceError, match="no frame received"):
        LiveSource(
            "csi://0", lambda: freed.wait() and Device([]), CaptureConfig(stall_s=0.05), hint=lambda: "check cable"
        )
    freed.set()


def test_a_camera_may_take_twice_the_stall_time_to_open(monkeypatch):
    monkeypatch.setattr("edge.capture.capture_thread.OPEN_TIMEOUT_S", 0.05)
    monkeypatch.setattr("edge.capture.capture_thread.GRACE_S", 0.05)
    source = LiveSource(
        "csi://0", lambda: time.sleep(1.2) or showing(3), CaptureConfig(stall_s=1.0), hint=lambda: "check cable"
    )
    assert source.size == (320, 240)


def test_an_error_while_opening_is_raised_at_once():
    begin = time.monotonic()
    with pytest.raises(ZeroDivisionError):
        LiveSource("csi://0", lambda: 1 / 0, CaptureConfig(), hint=lambda: "check cable")
    assert time.monotonic() - begin < 5


def test_errors_of_a_driver_are_raised():
    class Broken(Device):
        def read(self):
            raise MemoryError("no more buffers")

    with pytest.raises(MemoryError, match="no more buffers"):
        camera(Broken([]))


class Corrupt(Device):
    """OpenCV raises an error for its frames, as for a damaged JPEG of a USB camera."""

    def read(self):
        if not self.frames:
            cv2.cvtColor(np.zeros((4, 4, 3), np.uint8), cv2.COLOR_YUV2BGR_I420)
        return super().read()


def test_an_opencv_error_makes_the_camera_lost_and_does_not_end_the_run():
    source, _ = camera(Corrupt([videos.image(0), videos.image(1)]), Corrupt([]), showing(5), give_up_s=1.0)
    seen, events = until_it_is_lost(source)
    assert numbers(seen) == [0, 1, 5] and "OpenCV" in events[0].text and "\n" not in events[0].text
    assert "OpenCV" not in events[2].text, "the later loss has no known cause"
    with pytest.raises(SourceError, match=r"no frame received \(OpenCV.*\); check cable"):
        camera(Corrupt([]))


def test_opening_is_retried_when_no_thread_can_be_started(monkeypatch):
    source, _ = camera(showing(0), showing(5), give_up_s=5)
    start, refused = threading.Thread.start, []

    def grudging(thread):
        if len(refused) < 3:
            refused.append(thread.name)
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", grudging)
    frames = iter(source)
    assert numbers(next(frames) for _ in range(2)) == [0, 5] and refused == ["driver"] * 3


class Buffered(Device):
    """Captures 100 frames per second from the start on, and buffers those that are not read.

    now_s: a clock, which waiting for a frame advances.
    """

    def __init__(self):
        super().__init__([], fps=100.0)
        self.now_s, self.read_so_far = 0.0, 0

    def read(self):
        self.now_s = max(self.now_s, self.read_so_far / 100)
        self.read_so_far += 1
        return True, videos.image(self.read_so_far % 22)


def test_frames_buffered_while_networks_are_loaded_are_skipped(monkeypatch):
    device = Buffered()
    monkeypatch.setattr("edge.capture.live.time", SimpleNamespace(monotonic=lambda: device.now_s))
    source, _ = camera(device)
    device.now_s = 0.6
    frames = iter(source)
    first = next(frames)
    assert (first.index, first.time_s) == (0, 0.0) and device.read_so_far >= 60
    assert videos.number(first.image) == device.read_so_far % 22
    later = [next(frames) for _ in range(20)]
    assert later[-1].time_s == pytest.approx(0.2), "at the frame rate"
    source.close()


def test_a_camera_lost_while_networks_are_loaded_begins_with_its_first_frame(monkeypatch):
    monkeypatch.setattr("edge.capture.live.STALE_S", 0.0)
    source, _ = camera(showing(3), showing(5))
    time.sleep(0.1)
    frames = iter(source)
    assert numbers(next(frames) for _ in range(2)) == [3, 5]
