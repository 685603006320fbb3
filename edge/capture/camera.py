"""Cameras at this machine: USB and other Video4Linux devices, and those on a Jetson's CSI connector."""

from __future__ import annotations

import sys
from pathlib import Path

import cv2

from edge.capture.gstreamer import csi_pipeline, require_gstreamer, v4l2_pipeline
from edge.capture.image_folder import natural_key
from edge.capture.live import LiveSource
from edge.capture.source import CaptureConfig, Source
from edge.contract.errors import ConfigError

DEVICES = Path("/dev")

FOURCC = {"mjpeg": "MJPG", "yuyv": "YUYV", "h264": "H264"}


def open_camera(device: str, config: CaptureConfig) -> Source:
    """device: "/dev/video0" or "0". Raises SourceError where it gives no frame."""
    path = f"{DEVICES}/video{device}" if device.isdecimal() and sys.platform == "linux" else device
    if config.backend == "gstreamer":
        require_gstreamer("capture.backend gstreamer")
        pipeline = v4l2_pipeline(path, config)
        return LiveSource(device, lambda: cv2.VideoCapture(pipeline, cv2.CAP_GSTREAMER), config, hint=_what_there_is)
    if config.codec is not None and config.codec not in FOURCC:
        raise ConfigError(f"a camera has no codec {config.codec!r}", hint=f"known: {', '.join(FOURCC)}")
    return LiveSource(device, lambda: open_capture(path, config), config, flip=config.flip, hint=_what_there_is)


def open_csi(sensor: str, config: CaptureConfig) -> Source:
    """sensor: number of the camera on the CSI connector. Raises SourceError where OpenCV lacks GStreamer."""
    if not sensor.isdecimal():
        raise ConfigError(f"csi://{sensor} names no camera", hint="give its number: csi://0")
    require_gstreamer(f"csi://{sensor}")
    pipeline = csi_pipeline(int(sensor), config)
    return LiveSource(
        f"csi://{sensor}", lambda: cv2.VideoCapture(pipeline, cv2.CAP_GSTREAMER), config, hint=_check_argus
    )


def open_capture(device: str, config: CaptureConfig) -> cv2.VideoCapture:
    """The device with the wanted size and rate; the driver takes the nearest it has."""
    if sys.platform == "linux":
        capture = cv2.VideoCapture(device, cv2.CAP_V4L2)
    else:
        capture = cv2.VideoCapture(int(device) if device.isdecimal() else device)
    if config.codec or (config.width and config.height):
        # Uncompressed, most USB cameras give large images only a few times a second.
        capture.set(cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*FOURCC[config.codec or "mjpeg"]))
    if config.width and config.height:
        capture.set(cv2.CAP_PROP_FRAME_WIDTH, config.width)
        capture.set(cv2.CAP_PROP_FRAME_HEIGHT, config.height)
    if config.fps:
        capture.set(cv2.CAP_PROP_FPS, config.fps)
    # Otherwise what is read was taken several frames ago.
    capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)
    return capture


def _what_there_is() -> str:
    found = [str(path) for path in sorted(DEVICES.glob("video*"), key=natural_key)]
    return f"there is {', '.join(found)}" if found else f"there is no {DEVICES}/video* on this machine"


def _check_argus() -> str:
    return (
        "check the ribbon cable; in a container mount /tmp/argus_socket; on the board: systemctl restart nvargus-daemon"
    )
