"""Whether this user may open cameras and the GPU."""

from __future__ import annotations

from collections.abc import Mapping

from edge.doctor.finding import Finding, not_applicable

DEVICES = "/dev/video*", "/dev/nvmap", "/dev/nvhost-gpu", "/dev/dri/renderD*"
"""Cameras, and the devices of the GPU driver. On L4T renderD* belongs to the group render, the rest to video."""


def permissions(usable: Mapping[str, bool], in_container: bool) -> Finding:
    """usable: device -> whether it can be opened."""
    if not usable:
        return not_applicable("permissions", "no camera and no GPU device to open")
    refused = [device for device, allowed in usable.items() if not allowed]
    if not refused:
        return Finding("permissions", "ok", f"{', '.join(usable)} can be opened")
    groups = sorted({"render" if "/dri/" in device else "video" for device in refused})
    if in_container:
        # By number, because images have no group render.
        fix = "docker run " + " ".join(f"--group-add $(getent group {group} | cut -d: -f3)" for group in groups)
    else:
        fix = f"sudo usermod -aG {','.join(groups)} $USER, then log in again"
    return Finding("permissions", "fail", f"no permission to open {', '.join(refused)}", fix)
