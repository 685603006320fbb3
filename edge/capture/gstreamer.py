"""GStreamer pipelines for a Jetson's CSI cameras and hardware decoders, which only GStreamer can use.

Elements and properties follow NVIDIA's accelerated GStreamer guide (L4T R35 and later). Decoded frames are in GPU
memory (NVMM); nvvidconv copies them to the CPU as BGRx, and videoconvert drops the x.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from fractions import Fraction
from functools import partial
from pathlib import Path

import cv2

from edge.capture.source import CaptureConfig, Flip
from edge.contract.errors import ConfigError, SourceError

FLIP_METHODS: dict[Flip, int] = {
    "none": 0,
    "counterclockwise": 1,
    "rotate-180": 2,
    "clockwise": 3,
    "horizontal": 4,
    "vertical": 6,
}
"""Values of nvvidconv's flip-method."""

CSI_SIZE, CSI_FPS = (1280, 720), 30.0
"""Defaults for CSI cameras, whose sensors have many modes and no default."""

_LATEST_SINK = "appsink drop=true max-buffers=1 sync=false"
_LOSSLESS_SINK = "appsink sync=false"
_PARSERS = {"h264": "h264parse", "h265": "h265parse"}
_DEMUXERS = {".mp4": "qtdemux", ".mov": "qtdemux", ".mkv": "matroskademux", ".webm": "matroskademux"}
_USB_CODECS = {"mjpeg": ("image/jpeg", "nvv4l2decoder mjpeg=1"), "h264": ("video/x-h264", "h264parse ! nvv4l2decoder")}


def csi_pipeline(sensor: int, config: CaptureConfig) -> str:
    """A CSI camera, through Argus."""
    width, height = config.width or CSI_SIZE[0], config.height or CSI_SIZE[1]
    caps = f"video/x-raw(memory:NVMM), format=NV12, width={width}, height={height}"
    caps += f", framerate={_rate(config.fps or CSI_FPS)}"
    return " ! ".join((f"nvarguscamerasrc sensor-id={sensor}", caps, *_to_bgr(config.flip), _LATEST_SINK))


def v4l2_pipeline(device: str, config: CaptureConfig) -> str:
    """A USB camera, with JPEG (not on Thor) or H.264 decoded in hardware."""
    caps, decoder = _USB_CODECS[config.codec or "mjpeg"]
    if config.width and config.height:
        caps += f", width={config.width}, height={config.height}"
    if config.fps:
        caps += f", framerate={_rate(config.fps)}"
    return " ! ".join((f"v4l2src device={_quoted(device)}", caps, decoder, *_to_bgr(config.flip), _LATEST_SINK))


def rtsp_pipeline(url: str, config: CaptureConfig) -> str:
    """A network camera, decoded in hardware; the default codec is h264."""
    codec = stream_codec(config.codec)
    # TCP resends lost packets; over UDP they leave grey smears.
    source = (f"rtspsrc location={_quoted(url)} protocols=tcp latency=100", f"rtp{codec}depay")
    return " ! ".join((*source, _PARSERS[codec], "nvv4l2decoder", *_to_bgr(config.flip), _LATEST_SINK))


def file_pipeline(path: Path, config: CaptureConfig) -> str:
    """A video file, decoded in hardware, without dropping frames."""
    codec = stream_codec(config.codec)
    demuxer = _DEMUXERS.get(path.suffix.lower())
    if demuxer is None:
        raise ConfigError(
            f"no hardware decoding of {path.suffix or 'such'} files",
            hint=f"supported: {', '.join(_DEMUXERS)}; leave out backend for others",
        )
    source = (f"filesrc location={_quoted(str(path))}", demuxer, _PARSERS[codec], "nvv4l2decoder")
    return " ! ".join((*source, *_to_bgr(config.flip), _LOSSLESS_SINK))


def stream_codec(codec: str | None) -> str:
    """The codec of a stream or file, by default h264. Raises ConfigError for one that has no hardware decoder."""
    if codec is not None and codec not in _PARSERS:
        raise ConfigError(f"no hardware decoder for codec {codec!r}", hint=f"known: {', '.join(_PARSERS)}")
    return codec or "h264"


def has_gstreamer() -> bool:
    """Whether this OpenCV has GStreamer; its backend registry would also list plugins that are not installed."""
    return re.search(r"GStreamer:\s+YES", cv2.getBuildInformation()) is not None


def pipeline_opener(pipeline: str, needed_for: str = "capture.backend gstreamer") -> Callable[[], cv2.VideoCapture]:
    """A function that opens the pipeline. Raises SourceError where this OpenCV has no GStreamer."""
    if not has_gstreamer():
        raise SourceError(
            f"{needed_for} needs GStreamer, but OpenCV {cv2.__version__} was built without it",
            hint="pip's opencv-python never has it; on a Jetson or Ubuntu: apt install python3-opencv, in a virtual "
            "environment with --system-site-packages and without pip's",
        )
    return partial(cv2.VideoCapture, pipeline, cv2.CAP_GSTREAMER)


def _to_bgr(flip: Flip) -> tuple[str, ...]:
    flipped = f" flip-method={FLIP_METHODS[flip]}" if flip != "none" else ""
    return (f"nvvidconv{flipped}", "video/x-raw, format=BGRx", "videoconvert", "video/x-raw, format=BGR")


def _rate(fps: float) -> str:
    """The rate as a GStreamer fraction: 15/2 for 7.5, but 30000/1001, as cameras list it, for 29.97."""
    ntsc = Fraction(1000 * round(fps), 1001)
    rate = ntsc if abs(fps - ntsc) < ntsc / 5000 else Fraction(fps).limit_denominator(1000)
    return f"{rate.numerator}/{rate.denominator}"


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
