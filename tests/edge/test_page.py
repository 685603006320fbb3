"""Content of the live page, requested over HTTP and by a real browser."""

import json
import os
import shutil
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.request
from dataclasses import replace
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import videos
from people import PENN, action, person, result
from served_page import get, serving

from edge.contract.types import Event, Following
from edge.drawing.overlay import Overlay
from edge.latency import DECISION, LatencyHistory
from edge.sinks.page import Page


def shown(show, seconds, **people):
    """Feed 50 results a second from a thread; returns a function that stops it."""
    stop = threading.Event()

    def work():
        n = 0
        while not stop.wait(0.02) and n < 50 * seconds:
            other = replace(person(2, x=300), followed=False)
            given = result(person(1, does=action(0.87)), other, n=n, image=videos.image(5, 640))
            dropout = np.zeros(13, np.float32)
            dropout[3] = 0.25
            show(replace(given, following=Following("largest", 1), joint_dropout=dropout))
            n += 1

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return lambda: (stop.set(), thread.join())


def test_the_state_has_people_latencies_events_and_missing_joints():
    history = LatencyHistory(0)
    for n in range(10):
        history.add(n, {"pose": 10.0 + n, DECISION: 20.0})
    with serving(history=history) as (page, show, url):
        someone = person(3, does=action(0.87))
        given = result(someone, replace(person(4, fill=0.25), followed=False))
        dropout = np.zeros(13, np.float32)
        dropout[2] = 0.5
        show(replace(given, joint_dropout=dropout, following=Following("largest", 3)))
        page.add_event(Event("person_entered", 1.0, 3))
        page.add_event(Event("source_lost", 2.0, text="gone"))
        page.add_event(Event("person_left", 3.0, 3))
        state = json.loads(get(url + "state")[2])
        page.add_event(Event("source_back", 4.0))
        assert not page.state()["lost"]
    assert state["people"] == [
        {"track_id": 3, "followed": True, "fill": 1.0, "colour": "#ffd34d", "label": "jumping_jacks", "score": 0.87},
        {"track_id": 4, "followed": False, "fill": 0.25, "colour": "#9e90ff", "label": None, "score": None},
    ]
    assert state["latency"]["pose"] == [14.0, 18.0] and state["age_ms"] == 20.0
    assert [event["kind"] for event in state["events"]] == ["person_left", "source_lost", "person_entered"]
    assert state["lost"]
    assert state["given_up"] == {"video": 41}
    assert state["following"] == "following #3 (largest)"
    assert state["dropout"][PENN.joints[2]] == 0.5 and state["source"] == "camera of this test"


def test_the_frame_rate_is_that_of_the_last_thirty_frames(monkeypatch):
    now, page = [0.0], Page(Overlay(PENN), PENN, LatencyHistory(0), "camera")
    monkeypatch.setattr("edge.sinks.page.time", SimpleNamespace(monotonic=lambda: now[0]))
    for n in range(60):
        page.show(result(n=n))
        now[0] += 0.5 if n < 25 else 0.1
    assert page.state()["fps"] == 10.0


def test_the_last_hundred_events_are_kept_newest_first():
    page = Page(Overlay(PENN), PENN, LatencyHistory(0), "camera")
    for n in range(150):
        page.add_event(Event("person_entered", float(n), n))
    assert [event["track_id"] for event in page.state()["events"]] == list(range(149, 49, -1))


def test_a_browser_that_connects_later_gets_a_new_image_in_the_width_of_the_page():
    page = Page(Overlay(PENN), PENN, LatencyHistory(0), "camera")
    for number in (3, 5):
        page.show(result(image=videos.image(number, 1280)))
        stream = page.images()
        image = cv2.imdecode(np.frombuffer(next(stream), np.uint8), cv2.IMREAD_COLOR)
        assert image.shape == (240 * 960 // 1280, 960, 3) and videos.number(image) == number
        page.show(result(image=videos.image(number, 1280)))
        stream.close()


def test_the_frame_rate_is_zero_when_no_frames_arrive(monkeypatch):
    now, page = [0.0], Page(Overlay(PENN), PENN, LatencyHistory(0), "camera")
    monkeypatch.setattr("edge.sinks.page.time", SimpleNamespace(monotonic=lambda: now[0]))
    for n in range(5):
        now[0] = 0.04 * n
        page.show(result(n=n))
    now[0] += 1.9
    assert page.state()["fps"] == 25
    now[0] += 0.2
    assert page.state()["fps"] == 0


def next_image(stream):
    """Parse one image of the MJPEG stream."""
    assert stream.readline() == b"--picture\r\n"
    assert stream.readline() == b"Content-Type: image/jpeg\r\n"
    length = int(stream.readline().split(b":")[1])
    assert stream.readline() == b"\r\n"
    image = cv2.imdecode(np.frombuffer(stream.read(length), np.uint8), cv2.IMREAD_COLOR)
    assert stream.readline() == b"\r\n"
    return image


def test_the_stream_is_mjpeg():
    with serving() as (_, show, url):
        stop = shown(show, 10)
        with urllib.request.urlopen(url + "stream", timeout=10) as stream:
            assert "multipart/x-mixed-replace" in stream.headers["Content-Type"]
            for _ in range(3):
                image = next_image(stream)
                assert image.shape == (240, 640, 3) and videos.number(image[:, 300:]) == 5
        stop()


def test_the_last_frame_is_resent_without_new_ones_and_a_disconnect_is_noticed(monkeypatch):
    monkeypatch.setattr("edge.sinks.page.REPEAT_INTERVAL_S", 0.05)
    with serving() as (page, show, url):
        for number in (3, 5):  # before any browser connects
            show(result(n=number, image=videos.image(number, 640)))
        with urllib.request.urlopen(url + "stream?viewer=me", timeout=10) as stream:
            assert [videos.number(next_image(stream)[:, 300:]) for _ in range(3)] == [5, 5, 5]
            assert json.loads(get(url + "state?viewer=me")[2])["watched"]
            assert not json.loads(get(url + "state?viewer=you")[2])["watched"]
        end = time.monotonic() + 10
        while page.state("me")["watched"]:
            assert time.monotonic() < end
            time.sleep(0.02)


def test_streams_end_with_the_run(monkeypatch):
    monkeypatch.setattr("edge.sinks.page.REPEAT_INTERVAL_S", 60.0)
    with serving() as (_, show, url):
        show(result(image=videos.image(5, 640)))
        stream = urllib.request.urlopen(url + "stream", timeout=5)
        next_image(stream)
    with stream:
        assert stream.read() == b""


def test_frames_are_encoded_only_while_a_browser_is_connected():
    with serving() as (page, show, url):
        show(result(person()))
        assert page._number == 0
        stop = shown(show, 10)
        with urllib.request.urlopen(url + "stream", timeout=10) as stream:
            for _ in range(2):
                next_image(stream)
        stop()
        assert page._number > 0


def test_a_stalled_browser_does_not_slow_the_loop():
    with serving() as (_, show, url):
        port = int(url.rstrip("/").rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port)) as viewer:
            viewer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            viewer.sendall(b"GET /stream HTTP/1.1\r\nHost: localhost:1\r\n\r\n")
            noise = np.random.default_rng(0).integers(0, 255, (480, 640, 3), dtype=np.uint8)
            slowest_s = 0.0
            for n in range(100):
                start = time.perf_counter()
                show(result(n=n, image=noise))
                slowest_s = max(slowest_s, time.perf_counter() - start)
            assert slowest_s < 1.0
            assert json.loads(get(url + "state")[2])["people"] == []


def test_a_real_browser_shows_frame_people_and_events(tmp_path):
    browser = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if browser is None:
        pytest.skip("apt install chromium")
    history = LatencyHistory(0)
    for n in range(10):
        history.add(n, {"pose": 12.5, DECISION: 20.0})
    with serving(history=history) as (page, show, url):
        page.add_event(Event("action_started", 12.5, 1, "jumping_jacks", 0.8))
        page.add_event(Event("person_left", 3662.0, 2, since_s=1.0))
        page.add_event(Event("person_entered", 3663.0, 3, unix_s=1.7e9))
        stop = shown(show, 60)
        flags = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run")
        profile, screenshot = tmp_path / "profile", tmp_path / "page.png"
        more = (
            f"--user-data-dir={profile}",
            "--window-size=1200,800",
            "--virtual-time-budget=5000",
            "--enable-logging=stderr",
            f"--screenshot={screenshot}",
        )
        done = subprocess.run(
            [browser, *flags, *more, "--dump-dom", url],
            env={**os.environ, "TZ": "UTC"},
            capture_output=True,
            text=True,
            timeout=90,
            check=False,
        )
        stop()
    assert "CONSOLE" not in done.stderr  # neither errors of the page, nor anything that its own policy blocks
    text = done.stdout.partition("<script>")[0]
    assert ">jumping jacks</b>" in text and ">87 %</span>" in text and "nobody in view" not in text
    assert "action started #1" in text and ">12.5 s<" in text and ">1:01:02<" in text
    assert ">22:13:20<" in text  # the wall clock of 1.7e9, UTC
    assert "border-color: rgb(64, 214, 150)" in text  # a person's own colour, as in the frame
    assert "<td>video</td>" in text and ">41</td>" in text and 'id="dropped">' in text  # and not hidden
    assert "following #1 (largest)" in text and "not followed" in text
    assert f"{PENN.joints[3].replace('_', ' ')}</td>" in text and "25 %" in text
    assert 'style="width: 25%;"' in text  # of the bar beside it
    assert "</b><span> fps" in text and "12.50" in text and 'role="alert" hidden' in text
    image = cv2.imread(str(screenshot))
    # The stream's grey, 70, fills a good part of the page; its background is nearly black.
    assert (np.abs(image.astype(int) - 70).max(axis=2) < 8).mean() > 0.1
