"""How a live source ends: cancelled, closed, or given up."""

import threading
import time

import pytest
import videos
from scripted_camera import Device, Hanging, camera, showing

from edge.capture.live import Backoff, LiveSource
from edge.capture.source import CaptureConfig
from edge.contract.errors import SourceError


def test_waiting_for_a_lost_camera_can_be_cancelled():
    source, _ = camera(showing(0, 1), first_s=30, give_up_s=3600)
    source.on_event = lambda event: threading.Timer(0.02, source.cancel).start()
    start = time.monotonic()
    assert len(list(source)) == 2 and time.monotonic() - start < 5


def test_close_releases_the_camera_and_may_be_called_twice():
    device = showing(0)
    source, _ = camera(device)
    source.close()
    source.close()
    assert device.released


def test_cancel_does_not_wait_for_a_camera_that_is_being_opened():
    opening, freed = threading.Event(), threading.Event()
    devices = iter([lambda: showing(0), lambda: opening.set() or (freed.wait() and Device([]))])
    source = LiveSource(
        "rtsp://away", lambda: next(devices)(), CaptureConfig(), hint=lambda: "", backoff=Backoff(first_s=0.001)
    )
    threading.Thread(target=lambda: opening.wait() and source.cancel(), daemon=True).start()
    begin = time.monotonic()
    assert len(list(source)) == 1 and time.monotonic() - begin < 2
    freed.set()


def test_a_camera_that_hangs_when_the_run_is_stopped_is_not_reported_as_lost():
    hanging, events = Hanging([videos.image(0)]), []
    source, _ = camera(hanging)
    source.on_event = events.append
    threading.Timer(0.05, source.cancel).start()
    assert len(list(source)) == 1 and events == []
    hanging.event.set()


def test_a_run_that_is_stopped_while_a_lost_camera_is_closed_does_not_wait_for_the_next_opening():
    class Stopping(Device):
        def release(self):
            source.cancel()

    freed, devices = threading.Event(), iter([Stopping([videos.image(0)])])
    source = LiveSource(
        "csi://0",
        lambda: next(devices, None) or (freed.wait() and Device([])),
        CaptureConfig(),
        hint=lambda: "",
        backoff=Backoff(0.001),
    )
    begin = time.monotonic()
    assert len(list(source)) == 1 and time.monotonic() - begin < 5
    freed.set()


def test_a_driver_that_hangs_at_each_opening_ends_the_run_before_threads_pile_up(monkeypatch):
    # Drivers of earlier tests may still be returning.
    before, freed, devices = set(threading.enumerate()), threading.Event(), iter([showing(0)])
    source = LiveSource(
        "csi://0",
        lambda: next(devices, None) or (freed.wait() and Device([])),
        CaptureConfig(stall_s=0.01, give_up_s=3600),
        hint=lambda: "",
        backoff=Backoff(0.001, 0.001),
    )
    monkeypatch.setattr("edge.capture.capture_thread.OPEN_TIMEOUT_S", 0.01)
    monkeypatch.setattr("edge.capture.capture_thread.GRACE_S", 0.01)
    with pytest.raises(SourceError, match="8 attempts to reopen it hang in its driver; start the command again"):
        list(source)
    assert len(set(threading.enumerate()) - before) == 8
    freed.set()
