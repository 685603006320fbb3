"""GStreamer pipelines, compared with those of NVIDIA's guide, and checked by GStreamer's own parser."""

import json
import subprocess
from pathlib import Path

import cv2
import pytest

import edge.capture.network_camera
from edge.capture.gstreamer import csi_pipeline, file_pipeline, rtsp_pipeline, v4l2_pipeline
from edge.capture.registry import open_source
from edge.capture.source import FLIPS, CaptureConfig
from edge.contract.errors import ConfigError, SourceError

SYSTEM_PYTHON = "/usr/bin/python3"
CONVERT = "nvvidconv ! video/x-raw, format=BGRx ! videoconvert ! video/x-raw, format=BGR"
NEWEST = "appsink drop=true max-buffers=1 sync=false"


def test_a_csi_camera_is_read_through_argus():
    assert csi_pipeline(0, CaptureConfig()) == (
        "nvarguscamerasrc sensor-id=0 ! video/x-raw(memory:NVMM), format=NV12, width=1280, height=720, "
        f"framerate=30/1 ! {CONVERT} ! {NEWEST}"
    )
    config = CaptureConfig(width=1920, height=1080, fps=29.97, flip="rotate-180")
    assert csi_pipeline(1, config) == (
        "nvarguscamerasrc sensor-id=1 ! video/x-raw(memory:NVMM), format=NV12, width=1920, height=1080, "
        f"framerate=30000/1001 ! {CONVERT.replace('nvvidconv', 'nvvidconv flip-method=2')} ! {NEWEST}"
    )


@pytest.mark.parametrize(
    ("fps", "fraction"),
    [(4, "4/1"), (7.5, "15/2"), (23.976, "24000/1001"), (23.98, "24000/1001"), (59.94, "60000/1001"), (0.2, "1/5")],
)
def test_a_frame_rate_is_written_as_cameras_list_it(fps, fraction):
    assert f"framerate={fraction} !" in csi_pipeline(0, CaptureConfig(fps=fps))


def test_a_network_camera_is_decoded_in_hardware():
    assert rtsp_pipeline("rtsp://u:p@host/s?a=1&b=2", CaptureConfig(codec="h265")) == (
        'rtspsrc location="rtsp://u:p@host/s?a=1&b=2" protocols=tcp latency=100 ! rtph265depay ! h265parse ! '
        f"nvv4l2decoder ! {CONVERT} ! {NEWEST}"
    )
    assert "rtph264depay ! h264parse" in rtsp_pipeline("rtsp://host/s", CaptureConfig())


@pytest.mark.parametrize("decoders", [True, False])
def test_rtsp_takes_the_hardware_only_where_its_plugin_is(decoders, tmp_path, monkeypatch):
    """JetPack 5's image for the CPU has a Jetson's release file and GStreamer, but not NVIDIA's plugins."""
    opened, closed = [], cv2.VideoCapture()
    monkeypatch.setattr(cv2, "VideoCapture", lambda address, *more: opened.append(address) or closed)
    monkeypatch.setattr(cv2, "getBuildInformation", lambda: "GStreamer: YES (1.22.0)")
    monkeypatch.setattr(edge.capture.network_camera, "DECODERS", tmp_path if decoders else tmp_path / "absent")
    with pytest.raises(SourceError, match="no frame received") as refused:
        open_source("rtsp://host/s")
    assert ("nvv4l2decoder" in opened[0]) is decoders and len(opened) == 1
    assert ("H.265 needs #codec=h265" in str(refused.value)) is decoders


def test_without_hardware_decoders_a_video_is_not_called_damaged_only(tmp_path, monkeypatch):
    closed = cv2.VideoCapture()
    monkeypatch.setattr(cv2, "VideoCapture", lambda *pipeline: closed)
    monkeypatch.setattr(cv2, "getBuildInformation", lambda: "GStreamer: YES (1.22.0)")
    (tmp_path / "a.mp4").write_bytes(b"")
    with pytest.raises(SourceError, match="not a readable video; backend=gstreamer needs a Jetson's decoders"):
        open_source(f"{tmp_path / 'a.mp4'}?backend=gstreamer")


def test_raw_frames_of_a_usb_camera_need_no_gstreamer():
    """nvvidconv cannot convert from the processor's memory to the processor's memory."""
    with pytest.raises(SourceError, match="no frame received"):
        open_source("/dev/video99?backend=gstreamer&codec=yuyv")


@pytest.mark.parametrize(
    ("built", "reason"), [("NO", "codec=h264 of a camera needs GStreamer"), ("YES (1.22.0)", "no frame received")]
)
def test_h264_of_a_usb_camera_goes_to_gstreamer_because_opencv_does_not_decode_it(built, reason, monkeypatch):
    opened, closed = [], cv2.VideoCapture()
    monkeypatch.setattr(cv2, "VideoCapture", lambda *what: opened.append(what) or closed)
    monkeypatch.setattr(cv2, "getBuildInformation", lambda: f"GStreamer: {built}")
    with pytest.raises(SourceError, match=reason):
        open_source("/dev/video99?codec=h264")
    assert all("h264parse" in pipeline and backend == cv2.CAP_GSTREAMER for pipeline, backend in opened)


@pytest.mark.parametrize(
    ("codec", "asked"),
    [
        (None, "image/jpeg, width=640, height=480, framerate=30/1 ! nvv4l2decoder mjpeg=1"),
        ("h264", "video/x-h264, width=640, height=480, framerate=30/1 ! h264parse ! nvv4l2decoder"),
    ],
)
def test_a_usb_camera_is_decoded_in_hardware(codec, asked):
    config = CaptureConfig(width=640, height=480, fps=30, codec=codec)
    assert v4l2_pipeline("/dev/video0", config) == f'v4l2src device="/dev/video0" ! {asked} ! {CONVERT} ! {NEWEST}'


def test_quotes_and_backslashes_of_a_name_are_escaped():
    pipeline = file_pipeline(Path('/v/a\\b"c.MKV'), CaptureConfig())
    assert pipeline.startswith(r'filesrc location="/v/a\\b\"c.MKV" ! matroskademux')


def test_a_file_is_read_without_dropping_frames():
    assert file_pipeline(Path("/v/a b.mkv"), CaptureConfig(codec="h265")) == (
        f'filesrc location="/v/a b.mkv" ! matroskademux ! h265parse ! nvv4l2decoder ! {CONVERT} ! appsink sync=false'
    )


@pytest.mark.parametrize("make", [lambda c: rtsp_pipeline("rtsp://h/s", c), lambda c: file_pipeline(Path("a.mp4"), c)])
def test_codecs_without_a_decoder_are_refused(make):
    with pytest.raises(ConfigError, match="h264, h265"):
        make(CaptureConfig(codec="mjpeg"))


def test_files_without_a_demuxer_are_refused():
    with pytest.raises(ConfigError, match=r"\.mp4"):
        file_pipeline(Path("a.wmv"), CaptureConfig())


PARSE = """
import json, sys, gi
gi.require_version("Gst", "1.0")
from gi.repository import Gst, GLib
Gst.init(None)
for text in json.load(sys.stdin):
    context = Gst.ParseContext()
    try:
        Gst.parse_launch_full(text, context, Gst.ParseFlags.NONE)
        print(json.dumps(["", []]))
    except GLib.Error as error:
        no_element = error.matches(Gst.parse_error_quark(), Gst.ParseError.NO_SUCH_ELEMENT)
        print(json.dumps(["" if no_element else error.message, context.get_missing_elements() or []]))
"""


def test_gstreamers_parser_accepts_them_and_misses_only_nvidias_elements():
    have = subprocess.run(
        [SYSTEM_PYTHON, "-c", "import gi; gi.require_version('Gst', '1.0')"], capture_output=True, check=False
    )
    if have.returncode:
        pytest.skip("apt install python3-gi gir1.2-gstreamer-1.0 gstreamer1.0-plugins-good gstreamer1.0-plugins-bad")
    texts = [csi_pipeline(0, CaptureConfig(fps=29.97, flip=flip)) for flip in FLIPS]
    # Characters that would end a string or begin an element if they were not quoted.
    texts += [rtsp_pipeline('rtsp://u:p"!@h/s?a=1&b=$x#', CaptureConfig(codec=codec)) for codec in ("h264", "h265")]
    texts += [v4l2_pipeline("/dev/video0", CaptureConfig(codec=codec)) for codec in ("mjpeg", "h264")]
    texts += [file_pipeline(Path('/a "b" ! c\\' + suffix), CaptureConfig()) for suffix in (".mp4", ".mkv")]
    done = subprocess.run(
        [SYSTEM_PYTHON, "-c", PARSE], input=json.dumps(texts), capture_output=True, text=True, timeout=60, check=True
    )
    for text, line in zip(texts, done.stdout.splitlines(), strict=True):
        error, missing = json.loads(line)
        assert error == "", text
        assert missing and all(element.startswith("nv") for element in missing), (text, missing)
