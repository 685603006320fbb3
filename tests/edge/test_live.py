"""Cameras that drop out: a driver that fails on cue, and a real RTSP server that is killed and started again."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
import videos

from edge.capture.live import Backoff, Live
from edge.capture.registry import open_source
from edge.capture.source import CaptureConfig
from edge.contract.errors import SourceError

SYSTEM_PYTHON = "/usr/bin/python3"


class Device:
    """A camera's driver: gives the pictures it is loaded with, then fails."""

    def __init__(self, pictures, fps=30.0):
        self.pictures, self.fps, self.released = list(pictures), fps, False

    def read(self):
        return (True, self.pictures.pop(0)) if self.pictures else (False, None)

    def get(self, _):
        return self.fps

    def release(self):
        self.released = True


def camera(*devices, first_s=0.001, **config):
    """A camera that, each time it is opened, gives the next of the devices, then none."""
    waiting, opened = list(devices), []

    def open_device():
        opened.append(time.monotonic())
        return waiting.pop(0) if waiting else Device([])

    config = CaptureConfig(**{"give_up_s": 0.1, **config})
    backoff = Backoff(first_s, 8 * first_s)
    return Live("/dev/video9", open_device, config, hint=lambda: "check cable", backoff=backoff), opened


def pictures(*numbers, width=320):
    return Device([videos.picture(n, width) for n in numbers])


def test_a_camera_that_drops_out_is_opened_again_and_its_clock_goes_on():
    source, _ = camera(pictures(0, 1, 2), Device([]), pictures(5, 6), first_s=0.01)
    events, seen = [], []
    source.tell = events.append
    with pytest.raises(SourceError, match="did not come back within"):
        for frame in source:
            seen.append(frame)
    assert [videos.number(f.image) for f in seen] == [0, 1, 2, 5, 6]
    assert [f.index for f in seen] == [0, 1, 2, 3, 4]
    # Waits of 10 and 20 ms, the first in vain.
    assert np.diff([f.time_s for f in seen]).min() > 0 and seen[3].time_s - seen[2].time_s >= 0.03
    assert [event.kind for event in events] == ["source_lost", "source_back", "source_lost"]
    assert events[1].since_s == events[0].time_s and "/dev/video9" in events[0].text


def test_the_waits_between_attempts_double_up_to_the_longest():
    source, opened = camera(pictures(0), first_s=0.01, give_up_s=0.4)
    with pytest.raises(SourceError, match="check cable"):
        list(source)
    waits = np.diff(opened)
    assert len(waits) >= 4 and (waits[:4] >= (0.01, 0.02, 0.04, 0.08)).all() and waits.max() < 0.3


def test_waiting_for_a_lost_camera_can_be_cancelled():
    source, _ = camera(pictures(0, 1), first_s=30, give_up_s=3600)
    source.tell = lambda event: threading.Timer(0.02, source.cancel).start()
    start = time.monotonic()
    assert len(list(source)) == 2 and time.monotonic() - start < 5


def test_a_camera_that_comes_back_with_another_size_is_fitted():
    source, _ = camera(pictures(0), pictures(4, width=640))
    frames = iter(source)
    first, second = next(frames), next(frames)
    assert first.image.shape == second.image.shape == (240, 320, 3) and videos.number(second.image) == 4


def test_a_camera_that_gives_no_picture_is_refused_when_opened():
    with pytest.raises(SourceError, match="/dev/video9: no picture comes from it; check cable"):
        camera(Device([]))


def test_a_camera_without_a_rate_takes_the_one_asked_for_and_is_live():
    source, _ = camera(Device([videos.picture(0)], fps=0.0), fps=15)
    assert source.fps == 15 and source.live and source.length_frames is None and source.size == (320, 240)
    assert "15 frames/s" in source.describe()


class Hanging(Device):
    """A driver that waits for a picture without end, as GStreamer's does up to OpenCV 4.6; ``event`` frees it."""

    def __init__(self, pictures):
        super().__init__(pictures)
        self.event = threading.Event()

    def read(self):
        if not self.pictures:
            self.event.wait()
        return super().read()


def test_a_driver_that_hangs_is_left_behind_and_the_camera_opened_again(monkeypatch):
    monkeypatch.setattr("edge.capture.attended.SLACK_S", 0.1)
    hanging = Hanging([videos.picture(0), videos.picture(1)])
    source, _ = camera(hanging, pictures(5), stall_s=0.2)
    events, seen, start = [], [], time.monotonic()
    source.tell = events.append
    with pytest.raises(SourceError, match="did not come back within"):
        for frame in source:
            seen.append(videos.number(frame.image))
    assert seen == [0, 1, 5] and time.monotonic() - start < 5
    assert [event.kind for event in events] == ["source_lost", "source_back", "source_lost"]
    assert not hanging.released
    hanging.event.set()
    deadline = time.monotonic() + 5
    while not hanging.released and time.monotonic() < deadline:
        time.sleep(0.01)
    assert hanging.released, "as soon as the driver comes back"


def test_a_driver_that_hangs_while_opening_is_an_error(monkeypatch):
    monkeypatch.setattr("edge.capture.attended.OPENING_S", 0.1)
    monkeypatch.setattr("edge.capture.attended.SLACK_S", 0.1)
    freed = threading.Event()
    with pytest.raises(SourceError, match="no picture comes from it"):
        Live("csi://0", lambda: freed.wait() and Device([]), CaptureConfig(stall_s=0.05), hint=lambda: "check cable")
    freed.set()


def test_what_a_driver_raises_is_raised():
    class Broken(Device):
        def read(self):
            raise MemoryError("no more buffers")

    with pytest.raises(MemoryError, match="no more buffers"):
        camera(Broken([]))


def test_a_silent_stream_counts_as_lost_after_its_time():
    # A server that takes the connection and says nothing, as a camera whose firmware hangs.
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        start = time.monotonic()
        with pytest.raises(SourceError, match="no picture comes"):
            open_source(f"rtsp://127.0.0.1:{server.getsockname()[1]}/s", CaptureConfig(stall_s=0.5))
        assert time.monotonic() - start < 15


RTSP_SERVER = """
import sys, gi
gi.require_version("GstRtspServer", "1.0")
from gi.repository import Gst, GstRtspServer, GLib
Gst.init(None)
server = GstRtspServer.RTSPServer(address="127.0.0.1", service=sys.argv[1])
factory = GstRtspServer.RTSPMediaFactory()
factory.set_launch(f"( {sys.argv[2]} ! x264enc tune=zerolatency speed-preset=ultrafast key-int-max=12 "
                   "! rtph264pay name=pay0 )")
factory.set_shared(True)
server.get_mount_points().add_factory("/camera", factory)
server.attach(None)
print("ready", flush=True)
GLib.MainLoop().run()
"""


BALL = "videotestsrc is-live=true pattern=ball ! video/x-raw,width=320,height=240,framerate=25/1"


@pytest.fixture
def rtsp():
    """Starts an RTSP camera on a port that stays its own; give its process to be killed."""
    probe = (
        "import gi; gi.require_version('GstRtspServer', '1.0'); from gi.repository import Gst, GstRtspServer; "
        "Gst.init(None); needed = 'videotestsrc multifilesrc jpegdec x264enc rtph264pay'.split(); "
        "assert all(map(Gst.ElementFactory.find, needed))"
    )
    have = (
        Path(SYSTEM_PYTHON).exists()
        and not subprocess.run([SYSTEM_PYTHON, "-c", probe], capture_output=True).returncode
    )
    if not have:
        pytest.skip("apt install python3-gi gir1.2-gst-rtsp-server-1.0 gstreamer1.0-plugins-{base,good,ugly}")
    with socket.socket() as chosen:
        chosen.bind(("127.0.0.1", 0))
        port = chosen.getsockname()[1]
    running = []

    def start(shows=BALL):
        command = [SYSTEM_PYTHON, "-c", RTSP_SERVER, str(port), shows]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        running.append(process)
        assert process.stdout.readline() == b"ready\n"
        return process

    yield start, f"rtsp://127.0.0.1:{port}/camera"
    for process in running:
        process.kill()
        process.wait()
        process.stdout.close()


def test_a_real_rtsp_camera_is_lost_and_found_again(rtsp):
    start, url = rtsp
    server = start()
    source = open_source(url, CaptureConfig(stall_s=2.0))
    assert source.live and source.size == (320, 240)
    events, frames, restarted = [], [], []
    source.tell = events.append
    for frame in source:
        frames.append(frame)
        if len(frames) == 20:
            server.send_signal(signal.SIGKILL)
            server.wait()
            threading.Timer(1.0, lambda: restarted.append(start())).start()
        if len(frames) == 60:
            source.cancel()
    source.close()
    assert restarted and [event.kind for event in events] == ["source_lost", "source_back"]
    times = np.array([frame.time_s for frame in frames])
    assert np.diff(times).min() > 0 and np.diff(times).max() >= 0.9
    # The ball moves: these are pictures, not the last one again.
    assert np.abs(frames[-1].image.astype(int) - frames[-8].image).max() > 50


def test_the_loop_lives_on_while_an_rtsp_camera_is_away_and_stops_when_told_to(
    rtsp, bundle_folder, tmp_path, blazepose_files
):
    start, url = rtsp
    server = start()
    events = tmp_path / "events.partial.jsonl"
    arguments = ("--source", url, "--bundle", bundle_folder, "--sinks.events", tmp_path / "events.jsonl")
    command = [sys.executable, "-m", "edge", "run", *map(str, arguments), "--capture.stall_s", "2"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            wait_for(lambda: events.exists(), process)
            time.sleep(1.0)
            server.kill()
            wait_for(lambda: "source_lost" in events.read_text(), process)
            start()
            wait_for(lambda: "source_back" in events.read_text(), process)
            os.kill(process.pid, signal.SIGTERM)
            _, said = process.communicate(timeout=60)
        finally:
            process.kill()
    assert process.returncode == 143, said
    assert "gives no pictures" in said and "is back after" in said and "Traceback" not in said
    assert "source_back" in (tmp_path / "events.jsonl").read_text()


def test_who_stays_before_a_camera_that_was_lost_keeps_their_number_and_outputs_go_on(
    rtsp, bundle_folder, tmp_path, blazepose_files, shared_data
):
    # A still picture of a man, again and again: whoever is seen after the loss is the man from before it.
    capture = cv2.VideoCapture(str(shared_data / "media" / "streamposeml_example.webm"))
    capture.set(cv2.CAP_PROP_POS_FRAMES, 60)
    _, image = capture.read()
    capture.release()
    cv2.imwrite(str(tmp_path / "man.jpg"), cv2.resize(image, (640, 360)))
    shows = (
        f"multifilesrc location={tmp_path}/man.jpg loop=true caps=image/jpeg,framerate=10/1 ! jpegdec ! videoconvert"
    )
    start, url = rtsp
    server = start(shows)
    told = {name: tmp_path / f"{name}.jsonl" for name in ("events", "json")}
    partial = {name: path.with_suffix(".partial.jsonl") for name, path in told.items()}
    outputs = [text for name, path in told.items() for text in (f"--sinks.{name}", str(path))]
    arguments = ("--source", url, "--bundle", str(bundle_folder), *outputs, "--capture.stall_s", "2")
    # A machine that is busy with other things takes its time to find the camera again.
    with subprocess.Popen(
        [sys.executable, "-m", "edge", "run", *arguments, "--tracker.max_blind_s", "120"],
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            wait_for(lambda: partial["events"].exists() and "person_entered" in partial["events"].read_text(), process)
            server.kill()
            wait_for(lambda: "source_lost" in partial["events"].read_text(), process)
            time.sleep(2.0)  # longer than a body may be out of view
            start(shows)
            wait_for(lambda: "source_back" in partial["events"].read_text(), process)
            lines = len(partial["json"].read_text().splitlines())
            wait_for(lambda: len(partial["json"].read_text().splitlines()) > lines + 15, process)
            os.kill(process.pid, signal.SIGTERM)
            process.communicate(timeout=60)
        finally:
            process.kill()
    events = [json.loads(line) for line in told["events"].read_text().splitlines()]
    (lost,), (back,) = ([e["time_s"] for e in events if e["kind"] == f"source_{what}"] for what in ("lost", "back"))
    frames = [json.loads(line) for line in told["json"].read_text().splitlines()]
    before = [who for f in frames if f["time_s"] <= lost for who in ids(f)]
    after = [who for f in frames if f["time_s"] >= back - 0.05 for who in ids(f)]
    assert back - lost > 2.0 and len(after) > 5 and set(after) == set(before) == {1}
    assert [e["kind"] for e in events if e["kind"] == "person_entered"] == ["person_entered"]
    assert [e["time_s"] > back for e in events if e["kind"] == "person_left"] == [True]


def ids(frame):
    return [person["track_id"] for person in frame["people"]]


def wait_for(condition, process, most_s=60.0):
    end = time.monotonic() + most_s
    while not condition():
        assert process.poll() is None, process.stderr.read()
        assert time.monotonic() < end
        time.sleep(0.05)
