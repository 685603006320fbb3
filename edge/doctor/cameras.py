"""Cameras, from the output of ``v4l2-ctl --list-formats-ext``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from edge.doctor.finding import Finding, not_applicable

BAYER = re.compile(r"[RGB]{2}\d\d|BA81|RGGB|GRBG|GBRG")
"""Names of raw sensor formats such as RG10; only Argus converts them to images."""

SENSOR = "CSI sensor"
NO_PLUGIN = (
    "GStreamer lacks nvarguscamerasrc",
    "sudo apt install nvidia-l4t-gstreamer (in a container with JetPack 5: docker/run --engines)",
)


@dataclass(frozen=True)
class Format:
    """sizes: width, height and frame rate in Hz, such as ``(1280, 720, 30.0)``; fastest first within a size."""

    name: str
    sizes: tuple[tuple[int, int, float], ...]


def formats(listing: str) -> list[Format]:
    """A camera's formats, from the output of old and new versions of v4l2-ctl. Metadata nodes have none."""
    found: dict[str, list[tuple[int, int, float]]] = {}
    name, size = "", (0, 0)
    for line in listing.splitlines():
        if kind := re.search(r"(?:\[\d+\]|Pixel Format\s*):\s*'(.{4})'", line):
            name = kind[1].strip()
            found.setdefault(name, [])
        # Ranges end with the largest size and the fastest rate.
        elif largest := re.search(r"Size:\s*(?:Discrete|\w+\s+\d+x\d+ -)\s+(\d{1,9})x(\d{1,9})", line):
            size = int(largest[1]), int(largest[2])
        elif (rate := re.search(r"\((?:[\d.]+-)?(\d{1,9}(?:\.\d+)?) fps\)", line)) and name:
            found[name].append((*size, float(rate[1])))
    return [Format(name, tuple(sizes)) for name, sizes in found.items()]


def camera(device: str, listing: str | None, sensor: int, lacking: tuple[str, str] | None) -> Finding | None:
    """None for a metadata node, which most USB cameras have too. sensor: the camera's number among CSI sensors.

    lacking: what CSI cameras still need here, and how to fix that.
    """
    if listing is None:
        return Finding(device, "warn", "its formats are unknown without v4l2-ctl", "sudo apt install v4l-utils")
    listed = formats(listing)
    with_sizes = [format_ for format_ in listed if format_.sizes]
    if not listed:
        return None
    if not with_sizes:
        return Finding(device, "ok", f"{', '.join(format_.name for format_ in listed)}; it lists no sizes and rates")
    if all(BAYER.fullmatch(format_.name) for format_ in with_sizes):
        found = f"{SENSOR}, {_best(with_sizes)}"
        if lacking is not None:
            return Finding(device, "warn", f"{found}: {lacking[0]}", lacking[1])
        return Finding(device, "ok", f"{found}: use csi://{sensor}")
    return Finding(device, "ok", _best(with_sizes))


def cameras(listings: Mapping[str, str | None], lacking: tuple[str, str] | None) -> list[Finding]:
    """One finding per camera. listings: device -> output of v4l2-ctl, None if it is not installed.

    lacking: see :func:`camera`.
    """
    found: list[Finding] = []
    for device, text in listings.items():
        sensors = sum(finding.found.startswith(SENSOR) for finding in found)
        if (finding := camera(device, text, sensors, lacking)) is not None:
            found.append(finding)
    return found or [not_applicable("cameras", "none connected; files and network cameras do not need one")]


def argus(sensors: bool, socket: bool, daemon: str | None) -> Finding:
    """CSI cameras are served by a daemon on the host, through a socket that must be mounted into a container."""
    if not sensors:
        return not_applicable("Argus", "no CSI sensor")
    if socket and daemon in (None, "active"):
        return Finding("Argus", "ok", "/tmp/argus_socket exists")
    fix = "sudo systemctl restart nvargus-daemon (in a container: -v /tmp/argus_socket:/tmp/argus_socket)"
    return Finding("Argus", "fail", "its socket is missing" if not socket else f"its daemon is {daemon}", fix)


def _best(formats: list[Format]) -> str:
    """The largest size of each format, at its highest rate."""
    parts = []
    for format_ in formats:
        width, height, rate = max(format_.sizes, key=lambda size: (size[0] * size[1], size[2]))
        parts.append(f"{format_.name} {width}x{height} at {rate:g} fps")
    return ", ".join(parts)
