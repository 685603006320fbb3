"""Local cameras: USB and other V4L2 devices, and CSI cameras of a Jetson."""

from __future__ import annotations

from pathlib import Path

import cv2

from edge.capture.gstreamer import csi_pipeline, pipeline_opener, v4l2_pipeline
from edge.capture.image_folder import natural_key
from edge.capture.live import LiveSource
from edge.capture.source import CaptureConfig, Source
from edge.contract.errors import ConfigError

DEVICES = Path("/dev")

FOURCC = {"mjpeg": "MJPG", "yuyv": "YUYV"}
"""Codecs that OpenCV decodes; it hands out H.264 undecoded."""


def open_camera(device: str, config: CaptureConfig) -> Source:
    """device: "/dev/video0" or "0". Raises SourceError where no frame arrives."""
    if config.codec not in (None, "h264", *FOURCC):
        raise ConfigError(f"unknown camera codec {config.codec!r}", hint=f"known: {', '.join(FOURCC)}, h264")
    path = f"{DEVICES}/video{device}" if device.isdecimal() else device
    # Raw frames need no decoder, and nvvidconv converts only to or from the GPU's memory.
    if config.codec == "h264" or (config.backend == "gstreamer" and config.codec != "yuyv"):
        needed_for = "codec=h264 of a camera" if config.codec == "h264" else "capture.backend gstreamer"
        opener = pipeline_opener(v4l2_pipeline(path, config), needed_for)
        return LiveSource(device, opener, config, hint=_list_devices)
    return LiveSource(device, lambda: open_capture(path, config), config, flip=config.flip, hint=_list_devices)


def open_csi(sensor: str, config: CaptureConfig) -> Source:
    """sensor: number of the CSI camera. Raises SourceError where OpenCV lacks GStreamer or no frame arrives."""
    if not sensor.isdecimal():
        raise ConfigError(f"csi://{sensor} is not a camera number", hint="give one: csi://0")
    opener = pipeline_opener(csi_pipeline(int(sensor), config), f"csi://{sensor}")
    return LiveSource(f"csi://{sensor}", opener, config, hint=_check_argus)


def open_capture(device: str, config: CaptureConfig) -> cv2.VideoCapture:
    """Open a device and request size and rate; the driver chooses the nearest it supports."""
    capture = cv2.VideoCapture(device, cv2.CAP_V4L2)
    if config.codec or (config.width and config.height):
        # Uncompressed, most USB cameras deliver large images at a few frames per second only.
        capture.set(cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*FOURCC[config.codec or "mjpeg"]))
    if config.width and config.height:
        capture.set(cv2.CAP_PROP_FRAME_WIDTH, config.width)
        capture.set(cv2.CAP_PROP_FRAME_HEIGHT, config.height)
    if config.fps:
        capture.set(cv2.CAP_PROP_FPS, config.fps)
    # The driver fills one buffer while OpenCV holds the other; with a single one it drops every second frame. More of
    # them would only hold older frames.
    capture.set(cv2.CAP_PROP_BUFFERSIZE, 2)
    return capture


def _list_devices() -> str:
    found = [str(path) for path in sorted(DEVICES.glob("video*"), key=natural_key)]
    if not found:
        return f"there is no {DEVICES}/video* on this machine"
    return f"available: {', '.join(found)}; it may be in use, or this user may not be in the group video"


def _check_argus() -> str:
    return (
        "check the ribbon cable; see `python -m edge doctor`; in a container mount /tmp/argus_socket; on the board: "
        "systemctl restart nvargus-daemon"
    )
