"""Lost streams: a silent server, and a real RTSP server that is killed and restarted."""

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
from ports import free_port

from edge.capture.registry import open_source
from edge.capture.source import CaptureConfig
from edge.contract.errors import SourceError

SYSTEM_PYTHON = "/usr/bin/python3"


def test_a_silent_stream_counts_as_lost_after_the_timeout():
    # The server accepts the connection and sends nothing, as a camera whose firmware hangs.
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        start = time.monotonic()
        with pytest.raises(SourceError, match="no frame received"):
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
    """A function that starts an RTSP camera and returns its process, and its address."""
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
    port = free_port()
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


def test_a_real_rtsp_camera_is_lost_and_back(rtsp):
    start, url = rtsp
    server = start()
    source = open_source(url, CaptureConfig(stall_s=2.0))
    assert source.live and source.size == (320, 240)
    events, frames, restarted = [], [], []
    source.on_event = events.append
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
    # The ball moves, so these are new frames.
    assert np.abs(frames[-1].image.astype(int) - frames[-8].image).max() > 50


def test_the_loop_survives_a_lost_rtsp_camera_and_stops_on_sigterm(rtsp, bundle_folder, tmp_path, blazepose_files):
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
            _, output = process.communicate(timeout=60)
        finally:
            process.kill()
    assert process.returncode == 143, output
    assert "delivers no frames" in output and "is back after" in output and "Traceback" not in output
    assert "source_back" in (tmp_path / "events.jsonl").read_text()


def test_a_person_keeps_their_track_number_while_the_camera_is_lost(
    rtsp, bundle_folder, tmp_path, blazepose_files, shared_data
):
    # The same image of a man throughout, so the person after the loss is the one from before.
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
    files = {name: tmp_path / f"{name}.jsonl" for name in ("events", "json")}
    partial = {name: path.with_suffix(".partial.jsonl") for name, path in files.items()}
    outputs = [text for name, path in files.items() for text in (f"--sinks.{name}", str(path))]
    arguments = ("--source", url, "--bundle", str(bundle_folder), *outputs, "--capture.stall_s", "2")
    # A busy machine may need long to reconnect.
    with subprocess.Popen(
        [sys.executable, "-m", "edge", "run", *arguments, "--tracker.max_blind_s", "120"],
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            wait_for(lambda: partial["events"].exists() and "person_entered" in partial["events"].read_text(), process)
            server.kill()
            wait_for(lambda: "source_lost" in partial["events"].read_text(), process)
            time.sleep(2.0)  # longer than a track survives out of view
            start(shows)
            wait_for(lambda: "source_back" in partial["events"].read_text(), process)
            lines = len(partial["json"].read_text().splitlines())
            wait_for(lambda: len(partial["json"].read_text().splitlines()) > lines + 15, process)
            os.kill(process.pid, signal.SIGTERM)
            process.communicate(timeout=60)
        finally:
            process.kill()
    events = [json.loads(line) for line in files["events"].read_text().splitlines()]
    (lost,), (back,) = ([e["time_s"] for e in events if e["kind"] == f"source_{what}"] for what in ("lost", "back"))
    frames = [json.loads(line) for line in files["json"].read_text().splitlines()]
    before = [who for f in frames if f["time_s"] <= lost for who in ids(f)]
    after = [who for f in frames if f["time_s"] >= back - 0.05 for who in ids(f)]
    assert back - lost > 2.0 and len(after) > 5 and set(after) == set(before) == {1}
    assert [e["kind"] for e in events if e["kind"] == "person_entered"] == ["person_entered"]
    assert [e["time_s"] > back for e in events if e["kind"] == "person_left"] == [True]


def ids(frame):
    return [person["track_id"] for person in frame["people"]]


def wait_for(condition, process, timeout_s=60.0):
    end = time.monotonic() + timeout_s
    while not condition():
        assert process.poll() is None, process.stderr.read()
        assert time.monotonic() < end
        time.sleep(0.05)
