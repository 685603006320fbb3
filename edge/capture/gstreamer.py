"""GStreamer pipelines, as text, for what only GStreamer reaches on a Jetson: CSI cameras and the hardware decoders.

Elements and their properties are those of NVIDIA's accelerated GStreamer guide (L4T R35 and later). Decoded
frames are in the GPU's memory (NVMM); nvvidconv brings them to the CPU as BGRx, and videoconvert drops the x.
"""

from __future__ import annotations

import re
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
"""nvvidconv's property flip-method."""

CSI_SIZE, CSI_FPS = (1280, 720), 30.0
"""Asked of a CSI camera unless told otherwise; sensors have many modes, and no default."""

_NEWEST = "appsink drop=true max-buffers=1 sync=false"
_EVERY = "appsink sync=false"
_PARSERS = {"h264": "h264parse", "h265": "h265parse"}
_DEMUXERS = {".mp4": "qtdemux", ".mov": "qtdemux", ".mkv": "matroskademux", ".webm": "matroskademux"}
_CAMERA_CODECS = {"yuyv": "video/x-raw, format=YUY2", "mjpeg": "image/jpeg", "h264": "video/x-h264"}


def csi_pipeline(sensor: int, config: CaptureConfig) -> str:
    """A camera on the CSI connector, through Argus."""
    width, height = config.width or CSI_SIZE[0], config.height or CSI_SIZE[1]
    return " ! ".join(
        (
            f"nvarguscamerasrc sensor-id={sensor}",
            f"video/x-raw(memory:NVMM), format=NV12, width={width}, height={height}, "
            f"framerate={_rate(config.fps or CSI_FPS)}",
            *_to_bgr(config.flip),
            _NEWEST,
        )
    )


def v4l2_pipeline(device: str, config: CaptureConfig) -> str:
    """A USB camera, its JPEG or H.264 decoded by hardware."""
    codec = config.codec or "mjpeg"
    if codec not in _CAMERA_CODECS:
        raise ConfigError(f"a camera has no codec {codec!r}", hint=f"known: {', '.join(_CAMERA_CODECS)}")
    asked = _CAMERA_CODECS[codec]
    if config.width and config.height:
        asked += f", width={config.width}, height={config.height}"
    if config.fps:
        asked += f", framerate={_rate(config.fps)}"
    decoded = {"yuyv": (), "mjpeg": ("nvv4l2decoder mjpeg=1",), "h264": ("h264parse", "nvv4l2decoder")}[codec]
    return " ! ".join((f"v4l2src device={_quoted(device)}", asked, *decoded, *_to_bgr(config.flip), _NEWEST))


def rtsp_pipeline(url: str, config: CaptureConfig) -> str:
    """A network camera, decoded by hardware. codec: h264 unless told otherwise."""
    codec = _stream_codec(config.codec)
    return " ! ".join(
        (
            # Over TCP a packet that is lost comes again; over UDP it leaves a grey smear.
            f"rtspsrc location={_quoted(url)} protocols=tcp latency=100",
            f"rtp{codec}depay",
            _PARSERS[codec],
            "nvv4l2decoder",
            *_to_bgr(config.flip),
            _NEWEST,
        )
    )


def file_pipeline(path: Path, config: CaptureConfig) -> str:
    """A video file, decoded by hardware; every frame, however long it waits."""
    codec = _stream_codec(config.codec)
    demuxer = _DEMUXERS.get(path.suffix.lower())
    if demuxer is None:
        raise ConfigError(
            f"no hardware decoding of {path.suffix or 'such'} files",
            hint=f"it reads {', '.join(_DEMUXERS)}; leave out backend for others",
        )
    source = (f"filesrc location={_quoted(str(path))}", demuxer, _PARSERS[codec], "nvv4l2decoder")
    return " ! ".join((*source, *_to_bgr(config.flip), _EVERY))


def has_gstreamer() -> bool:
    """Whether this OpenCV runs pipelines; its list of backends also names those that it could load, but has not."""
    return re.search(r"GStreamer:\s+YES", cv2.getBuildInformation()) is not None


def require_gstreamer(what: str) -> None:
    """SourceError where this OpenCV cannot run a pipeline."""
    if not has_gstreamer():
        raise SourceError(
            f"{what} needs GStreamer, and OpenCV {cv2.__version__} here was built without it",
            hint="pip's opencv-python never has it; on a Jetson or Ubuntu: apt install python3-opencv, and a virtual "
            "environment made with --system-site-packages in which pip's is not installed",
        )


def _to_bgr(flip: Flip) -> tuple[str, ...]:
    turned = f" flip-method={FLIP_METHODS[flip]}" if flip != "none" else ""
    return (f"nvvidconv{turned}", "video/x-raw, format=BGRx", "videoconvert", "video/x-raw, format=BGR")


def _stream_codec(codec: str | None) -> str:
    if codec is not None and codec not in _PARSERS:
        raise ConfigError(f"no hardware decoder is known for codec {codec!r}", hint=f"known: {', '.join(_PARSERS)}")
    return codec or "h264"


def _rate(fps: float) -> str:
    """29.97 is 29970/1000 for GStreamer."""
    return f"{fps:.0f}/1" if fps == round(fps) else f"{round(1000 * fps)}/1000"


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
