"""Network cameras: RTSP, and MJPEG or other streams over HTTP."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import cv2

from edge.capture.gstreamer import has_gstreamer, pipeline_opener, rtsp_pipeline
from edge.capture.live import LiveSource
from edge.capture.source import CaptureConfig, Source
from edge.capture.video_file import VideoFile
from edge.contract.errors import SourceError
from edge.contract.passwords import IN_A_PASSWORD, without_passwords

DECODERS = Path("/usr/lib/aarch64-linux-gnu/gstreamer-1.0/libgstnvvideo4linux2.so")
"""GStreamer's plugin of a Jetson's decoders; a container has it only from the NVIDIA runtime."""
FFMPEG_OPTIONS = "rtsp_transport;tcp|analyzeduration;1000000"
"""TCP, because packets lost over UDP smear the frame; and one second of probing instead of five."""

DECODER_THREADS = 2
"""Each thread but the first keeps a frame back: with one per core, OpenCV's default, images are 0.6 seconds late on 16
cores, at 25 frames per second."""

RECORDINGS = (".mp4", ".mkv", ".mov", ".avi", ".webm")
"""Over HTTP these are files, processed without dropping frames; everything else is a camera."""

_options = threading.Lock()


def open_network_camera(url: str, config: CaptureConfig) -> Source:
    """url: rtsp(s):// or http(s)://, with the camera's own query. Raises SourceError where no frame arrives."""
    shown = without_passwords(url)
    if is_recording(url):
        return VideoFile(url, config)
    if url.startswith("rtsp") and _through_gstreamer(config):
        opener = pipeline_opener(rtsp_pipeline(url, config))
        return LiveSource(shown, opener, config, hint=_check_pipeline)
    return LiveSource(shown, lambda: open_ffmpeg(url, config), config, flip=config.flip, hint=_check_network)


def is_recording(url: str) -> bool:
    """Whether it names a file over HTTP. Raises SourceError for an address that is not valid."""
    try:
        parts = urlsplit(url)
        is_valid = bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_valid = False
    if not is_valid:
        hint = f"give rtsp://user:password@host:554/path, an IPv6 host in [ ]; {IN_A_PASSWORD}"
        raise SourceError("not a valid address", where=url, hint=hint)
    return parts.scheme.startswith("http") and Path(parts.path).suffix.lower() in RECORDINGS


def open_ffmpeg(url: str, config: CaptureConfig) -> cv2.VideoCapture:
    """Open with OpenCV's FFmpeg, whose reads time out after ``config.stall_s``."""
    stall_ms = round(1000 * config.stall_s)
    options = [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, 2 * stall_ms, cv2.CAP_PROP_READ_TIMEOUT_MSEC, stall_ms]
    if hasattr(cv2, "CAP_PROP_N_THREADS"):  # OpenCV 4.6 or newer
        options += [cv2.CAP_PROP_N_THREADS, DECODER_THREADS]
    # FFmpeg's options can only be set by an environment variable, which would also apply to files.
    with _options, _environment("OPENCV_FFMPEG_CAPTURE_OPTIONS", FFMPEG_OPTIONS):
        return cv2.VideoCapture(url, cv2.CAP_FFMPEG, options)


@contextmanager
def _environment(name: str, value: str) -> Iterator[None]:
    """Set an environment variable inside the block, unless the user has set it."""
    if name in os.environ:
        yield
        return
    os.environ[name] = value
    try:
        yield
    finally:
        del os.environ[name]


def _through_gstreamer(config: CaptureConfig) -> bool:
    if config.backend != "auto":
        return config.backend == "gstreamer"
    return DECODERS.exists() and has_gstreamer()


def _check_network() -> str:
    return (
        "check address, user and password, and that the camera can be reached; to test it: ffplay ADDRESS; options "
        "such as flip follow a # in it"
    )


def _check_pipeline() -> str:
    """GStreamer, unlike FFmpeg, does not look for the codec, and verifies certificates."""
    return f"{_check_network()}; H.265 needs #codec=h265; rtsps:// needs a certificate that this machine can verify"
