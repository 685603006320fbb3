"""Power mode and clocks: published speeds hold for the fastest mode, with the clocks held at its top."""

from __future__ import annotations

import re
from collections.abc import Mapping

from edge.doctor.finding import Finding, not_here

FASTEST = ("MAXN_SUPER", "MAXN")
"""By name, best first: the number of a mode differs from board to board."""


def mode_name(nvpmodel: str) -> str | None:
    """``MAXN`` from ``nvpmodel -q``, which says "NV Power Mode: MAXN", a number, and on some boards more."""
    found = re.search(r"NV Power Mode:\s*(\S+)", nvpmodel)
    return None if found is None else found[1]


def modes(configuration: str) -> dict[str, int]:
    """Name to number, from /etc/nvpmodel.conf: ``< POWER_MODEL ID=0 NAME=MAXN >``."""
    found = re.findall(r"^\s*<\s*POWER_MODEL\s+ID=(\d+)\s+NAME=(\S+)\s*>", configuration, re.MULTILINE)
    return {name: int(number) for number, name in found}


def remembered_mode(status: str, configuration: str) -> str | None:
    """By /var/lib/nvpmodel/status, where nvpmodel keeps ``pmode:0002``: all that a container sees of it."""
    number = re.search(r"\bpmode:(\d+)", status)
    names = {known: name for name, known in modes(configuration).items()}
    return None if number is None else names.get(int(number[1]))


def power_mode(nvpmodel: str | None, status: str | None, configuration: str | None, on_jetson: bool) -> Finding:
    """ok in the fastest mode that the board has."""
    if not on_jetson:
        return not_here("power mode")
    name = mode_name(nvpmodel or "") or remembered_mode(status or "", configuration or "")
    if name is None:
        return Finding("power mode", "warn", "nvpmodel does not say", "sudo nvpmodel -q (in a container: on its host)")
    known = modes(configuration or "")
    best = next((mode for mode in FASTEST if mode in known), None)
    if name == best or (best is None and name in FASTEST):
        return Finding("power mode", "ok", name)
    mend = "sudo nvpmodel -p --verbose lists the modes" if best is None else f"sudo nvpmodel -m {known[best]}"
    return Finding("power mode", "warn", name if best is None else f"{name}; {best} is faster", mend)


def clocks(limits_hz: Mapping[str, tuple[int, int]], on_jetson: bool) -> Finding:
    """limits_hz: lowest and highest rate allowed, by unit; jetson_clocks makes the two the same."""
    if not on_jetson:
        return not_here("clocks")
    if not limits_hz:
        return Finding("clocks", "warn", "cannot be read", "sudo jetson_clocks --show")
    free = [unit for unit, (low, high) in limits_hz.items() if low < high]
    tops = ", ".join(f"{unit} {high / 1e6:.0f} MHz" for unit, (_, high) in limits_hz.items())
    if free:
        return Finding("clocks", "warn", f"not held at their top ({tops}): figures vary", "sudo jetson_clocks")
    return Finding("clocks", "ok", f"held at {tops}")
