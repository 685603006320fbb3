"""Source URIs and their options."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from edge.capture.address import Address, parse
from edge.capture.gstreamer import has_gstreamer
from edge.capture.registry import open_source
from edge.capture.source import CaptureConfig
from edge.contract.errors import ConfigError, SourceError


@pytest.mark.parametrize(
    ("uri", "scheme", "target", "options"),
    [
        ("0", "v4l2", "0", {}),
        ("/dev/video2", "v4l2", "/dev/video2", {}),
        ("v4l2:///dev/video0?width=640&height=480", "v4l2", "/dev/video0", {"width": "640", "height": "480"}),
        ("1?fps=15", "v4l2", "1", {"fps": "15"}),
        ("csi://0?fps=60&flip=vertical", "csi", "0", {"fps": "60", "flip": "vertical"}),
        ("rtsp://u:p@host:554/s?channel=1", "rtsp", "rtsp://u:p@host:554/s?channel=1", {}),
        ("rtsp://h/s?width=9#codec=h265&flip=none", "rtsp", "rtsp://h/s?width=9", {"codec": "h265", "flip": "none"}),
        ("http://host/mjpg/video.cgi?resolution=640x480", "http", "http://host/mjpg/video.cgi?resolution=640x480", {}),
        ("Rtsp://Host/S#flip=none", "rtsp", "rtsp://Host/S", {"flip": "none"}),
        ("CSI://0", "csi", "0", {}),
        ("clip.mp4", "file", "clip.mp4", {}),
        ("file:///videos/a.mp4?flip=clockwise", "file", "/videos/a.mp4", {"flip": "clockwise"}),
        ("replay://poses.jsonl", "replay", "poses.jsonl", {}),
        ("-?width=640&height=480&codec=i420", "-", "-", {"width": "640", "height": "480", "codec": "i420"}),
        ("-", "-", "-", {}),
    ],
)  # fmt: skip
def test_uris_are_parsed(uri, scheme, target, options):
    assert parse(uri) == Address(scheme, target, tuple(options.items()))


def test_a_file_name_may_contain_a_question_mark(tmp_path):
    path = tmp_path / "what?flip=vertical"
    path.write_bytes(b"")
    assert parse(str(path)) == Address("file", str(path))


def test_options_of_the_uri_override_settings():
    config = parse("csi://0?width=640&height=480&flip=vertical").apply_to(CaptureConfig(fps=15, flip="horizontal"))
    assert config == CaptureConfig(fps=15, width=640, height=480, flip="vertical")


@pytest.mark.parametrize(
    ("uri", "says"),
    [
        ("csi://0?wdith=640", "unknown source option 'wdith'; known: fps, width"),
        ("csi://0?width=wide&height=4", "width=wide is not an integer"),
        ("csi://left", "csi://left is not a camera number"),
        ("0?flip=upside", "flip is 'upside'"),
        ("0?codec=vp9", "unknown camera codec 'vp9'"),
        ("file:///a.mp4?fps=5", "fps cannot be set for this source"),
        ("file:///a.mp4?codec=h256", "no hardware decoder for codec 'h256'; known: h264, h265"),
        ("rtsp://127.0.0.1:9/s#codec=h256", "no hardware decoder for codec 'h256'"),
        ("replay://poses.jsonl?flip=vertical", "flip cannot be set for this source; a recording holds no images"),
        ("rtsp://127.0.0.1:9/s#width=640&height=480", "width cannot be set for this source"),
        (
            "csi://0?codec=h264",
            "codec cannot be set for this source; possible: fps, width, height, flip, stall_s",
        ),
        ("http://127.0.0.1:9/s#backend=gstreamer", "backend cannot be set for this source"),
        ("http://127.0.0.1:9/a.mp4?b#stall_s=1", "stall_s cannot be set for this source; possible: flip"),
        ("-?width=64&height=48&stall_s=1", "stall_s cannot be set for this source"),
        ("file:///a.mp4?stall_s=1", "stall_s cannot be set for this source"),
        (f"{Path(__file__).parent}?width=640&height=480", "width cannot be set for this source; possible: fps, flip"),
    ],
)
def test_invalid_options_are_refused(uri, says):
    with pytest.raises(ConfigError, match=says):
        open_source(uri)


def test_a_folder_in_the_home_folder_takes_the_options_of_folders(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "frames").mkdir()
    cv2.imwrite(str(tmp_path / "frames" / "1.png"), np.zeros((48, 64, 3), np.uint8))
    assert open_source("~/frames?fps=5").fps == 5


def test_an_option_of_ours_that_goes_to_the_camera_is_a_warning(capsys):
    with pytest.raises(SourceError):
        open_source("rtsp://127.0.0.1:9/s?fps=15&codec=h265#stall_s=1")
    said = capsys.readouterr().err
    assert said == "warning: the camera gets codec, which follows a ?; to set it here, write #codec=...\n"


def test_an_error_says_how_to_get_gstreamer():
    if has_gstreamer():
        pytest.skip("this OpenCV has GStreamer")
    for uri in ("csi://0", "0?backend=gstreamer", "rtsp://host/s#backend=gstreamer"):
        with pytest.raises(SourceError, match=r"needs GStreamer.*apt install python3-opencv"):
            open_source(uri)
