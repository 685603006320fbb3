"""Cameras, with what ``v4l2-ctl --list-formats-ext`` says of each."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from edge.doctor.finding import Finding, not_here

BAYER = re.compile(r"[RGB]{2}\d\d|BA81|RGGB|GRBG|GBRG")
"""Names of raw sensor formats: RG10, BG10, RG12. Only Argus makes images of them."""


SENSOR = "CSI sensor"


@dataclass(frozen=True)
class Format:
    """Sizes, and rates in frames a second: ``(1280, 720, 30.0)``; fastest first within a size."""

    name: str
    sizes: tuple[tuple[int, int, float], ...]


def formats(listing: str) -> list[Format]:
    """What a camera offers; both forms that v4l2-ctl has had are read. Metadata nodes offer nothing."""
    found: dict[str, list[tuple[int, int, float]]] = {}
    name, size = "", (0, 0)
    for line in listing.splitlines():
        if kind := re.search(r"(?:\[\d+\]|Pixel Format\s*):\s*'(.{4})'", line):
            name = kind[1].strip()
            found.setdefault(name, [])
        # A range of sizes ends with the largest, a range of rates with the fastest.
        elif largest := re.search(r"Size:\s*(?:Discrete|(?:Stepwise|Continuous)\s+\d+x\d+ -)\s+(\d+)x(\d+)", line):
            size = int(largest[1]), int(largest[2])
        elif (rate := re.search(r"\((?:[\d.]+-)?([\d.]+) fps\)", line)) and name:
            found[name].append((*size, float(rate[1])))
    return [Format(name, tuple(sizes)) for name, sizes in found.items()]


def camera(device: str, listing: str | None, sensor: int = 0) -> Finding | None:
    """None for a node without images, as most USB cameras have a second. sensor: its number among CSI sensors."""
    if listing is None:
        return Finding(device, "warn", "v4l2-ctl cannot ask it", "sudo apt install v4l-utils")
    listed = formats(listing)
    offered = [format_ for format_ in listed if format_.sizes]
    if not listed:
        return None
    if not offered:
        return Finding(device, "ok", f"{', '.join(format_.name for format_ in listed)}; it names no sizes and rates")
    if all(BAYER.fullmatch(format_.name) for format_ in offered):
        return Finding(device, "ok", f"{SENSOR}, {_best(offered)}: use csi://{sensor}")
    return Finding(device, "ok", _best(offered))


def cameras(listings: Mapping[str, str | None]) -> list[Finding]:
    """One finding a camera. listings: device to what v4l2-ctl says, None where it cannot be asked."""
    found: list[Finding] = []
    for device, text in listings.items():
        sensors = sum(finding.found.startswith(SENSOR) for finding in found)
        if (finding := camera(device, text, sensors)) is not None:
            found.append(finding)
    return found or [not_here("cameras", "none plugged in; files and network cameras need none")]


def argus(sensors: bool, socket: bool, daemon: str | None) -> Finding:
    """CSI cameras are served by a daemon on the host, through a socket that a container needs too."""
    if not sensors:
        return not_here("Argus", "no CSI sensor")
    if socket and daemon in (None, "active"):
        return Finding("Argus", "ok", "/tmp/argus_socket is there")
    mend = "sudo systemctl restart nvargus-daemon (in a container: -v /tmp/argus_socket:/tmp/argus_socket)"
    return Finding("Argus", "fail", "its socket is missing" if not socket else f"its daemon is {daemon}", mend)


def _best(offered: list[Format]) -> str:
    """The largest size of each format, at its fastest."""
    parts = []
    for format_ in offered:
        width, height, rate = max(format_.sizes, key=lambda size: (size[0] * size[1], size[2]))
        parts.append(f"{format_.name} {width}x{height} at {rate:g}")
    return ", ".join(parts)
