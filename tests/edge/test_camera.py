"""What is requested of the drivers of cameras, and what is suggested where there is no camera."""

import os

import cv2
import pytest

import edge.capture.camera
from edge.capture.camera import open_camera, open_capture
from edge.capture.network_camera import open_ffmpeg
from edge.capture.source import CaptureConfig
from edge.contract.errors import SourceError

MJPG, YUYV = (int.from_bytes(code, "little") for code in (b"MJPG", b"YUYV"))
NEWEST = [(cv2.CAP_PROP_BUFFERSIZE, 2)]
HD = [(cv2.CAP_PROP_FRAME_WIDTH, 1280), (cv2.CAP_PROP_FRAME_HEIGHT, 720)]


class Noting:
    """A driver that notes what it is opened with and asked for."""

    def __init__(self, *opened):
        self.opened, self.asked = opened, []

    def set(self, property_id, value):
        self.asked.append((property_id, value))


@pytest.mark.parametrize(
    ("config", "asked"),
    [
        ({}, NEWEST),
        ({"fps": 15.0}, [(cv2.CAP_PROP_FPS, 15.0), *NEWEST]),
        ({"width": 1280, "height": 720}, [(cv2.CAP_PROP_FOURCC, MJPG), *HD, *NEWEST]),
        ({"width": 1280, "height": 720, "codec": "yuyv"}, [(cv2.CAP_PROP_FOURCC, YUYV), *HD, *NEWEST]),
        ({"codec": "yuyv"}, [(cv2.CAP_PROP_FOURCC, YUYV), *NEWEST]),
    ],
)
def test_the_format_is_requested_before_the_size_and_the_driver_has_a_second_buffer(monkeypatch, config, asked):
    monkeypatch.setattr(cv2, "VideoCapture", Noting)
    capture = open_capture("/dev/video0", CaptureConfig(**config))
    assert capture.asked == asked and capture.opened == ("/dev/video0", cv2.CAP_V4L2)


@pytest.mark.parametrize("users", [None, "rtsp_transport;udp"])
def test_ffmpegs_options_hold_only_while_a_network_camera_is_opened(monkeypatch, users):
    name = "OPENCV_FFMPEG_CAPTURE_OPTIONS"
    monkeypatch.delenv(name, raising=False)
    if users is not None:
        monkeypatch.setenv(name, users)
    monkeypatch.setattr(cv2, "VideoCapture", lambda *opened: (*opened, os.environ[name]))
    *_, asked, options = open_ffmpeg("rtsp://host/a", CaptureConfig(stall_s=4.0))
    assert asked[:4] == [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, 8000, cv2.CAP_PROP_READ_TIMEOUT_MSEC, 4000]
    assert asked[4:] == [cv2.CAP_PROP_N_THREADS, 2]  # more would keep frames back
    assert users in (None, options) and "rtsp_transport;" in options
    assert os.environ.get(name) == users


def test_an_absent_camera_is_an_error_that_lists_those_there_are(tmp_path, monkeypatch):
    monkeypatch.setattr(edge.capture.camera, "DEVICES", tmp_path)
    with pytest.raises(SourceError, match=f"there is no {tmp_path}/video"):
        open_camera("7", CaptureConfig())
    for number in (10, 2):
        (tmp_path / f"video{number}").touch()
    with pytest.raises(SourceError, match=f"available: {tmp_path}/video2, {tmp_path}/video10; it may be in use"):
        open_camera("7", CaptureConfig())
