"""Memory, swap, disk and temperature."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from edge.doctor.finding import Finding, not_applicable
from edge.host import number

SMALL_MEMORY_GIB = 8.5
"""A board with less (8 GB boards) needs swap on a disk to build the TensorRT engine of a pose network."""
SWAP_GIB = 4
MAKE_SWAP = "sudo fallocate -l 4G /swap && sudo chmod 600 /swap && sudo mkswap /swap && sudo swapon /swap"
COOL_DOWN = "sudo jetson_clocks --fan; improve the airflow"
DISK_LOW_GIB, DISK_FULL_GIB = 4.0, 0.5
"""A container image with JetPack's libraries is about 3 GiB; engines and recordings need more."""
NEAR_C = 8.0
"""Within this many kelvin of its throttling temperature a board is about to throttle."""
THROTTLING = ("passive", "hot", "critical")
"""Kinds of trip points that throttle or switch off; "active" only turns on a fan."""


def memory(meminfo: str, swaps: str) -> list[Finding]:
    """From /proc/meminfo and /proc/swaps. Swap in compressed memory (zram) does not count."""
    total, available = (_kib(meminfo, key) / 2**20 for key in ("MemTotal", "MemAvailable"))
    text = f"{available:.1f} of {total:.1f} GiB free"
    ram = Finding("memory", "ok", text)
    if available < 1:
        ram = Finding("memory", "warn", text, "sudo init 3 (stops the desktop)")
    areas = (line.split() for line in swaps.splitlines()[1:])  # name, type, size in KiB, ...
    on_disk = sum(number(area[2]) or 0 for area in areas if len(area) >= 3 and "zram" not in area[0]) / 2**20
    if total < SMALL_MEMORY_GIB and on_disk < SWAP_GIB - 0.1:
        text = f"{on_disk:.1f} GiB on disk: the build of an engine may be killed"
        return [ram, Finding("swap", "warn", text, MAKE_SWAP)]
    return [ram, Finding("swap", "ok", f"{on_disk:.1f} GiB on disk")]


def disk(folder: str, free_bytes: int) -> Finding:
    """Free space for results, bundles and engines."""
    free_gib = free_bytes / 2**30
    text, fix = f"{free_gib:.1f} GiB free in {folder}", "docker system prune; sudo apt clean"
    if free_gib >= DISK_LOW_GIB:
        return Finding("disk", "ok", text)
    return Finding("disk", "warn" if free_gib >= DISK_FULL_GIB else "fail", text, fix)


@dataclass(frozen=True)
class ThermalZone:
    """name: for instance "cpu-thermal". throttles_at_c: the lowest throttling temperature, None if there is none."""

    name: str
    temperature_c: float
    throttles_at_c: float | None


def zone(name: str, temperature: str | None, trips: Sequence[tuple[str, str]]) -> ThermalZone | None:
    """From millidegrees as text; None for a sensor that is off, or constant (PMIC)."""
    celsius = _celsius(temperature)
    if celsius is None or not 0 < celsius < 130 or name.lower().startswith("pmic"):
        return None
    temperatures = (_celsius(text) for kind, text in trips if kind in THROTTLING)
    limits = [limit for limit in temperatures if limit is not None and limit > 0]
    return ThermalZone(name, celsius, min(limits, default=None))


def heat(zones: Sequence[ThermalZone], throttles: Mapping[str, int]) -> Finding:
    """throttles: unit -> throttling steps now; 0 is none."""
    if not zones:
        return not_applicable("temperature", "no sensor")
    hottest = max(zones, key=lambda z: z.temperature_c)
    text = f"{hottest.name} {hottest.temperature_c:.0f} °C"
    if throttled := [name for name, steps in throttles.items() if steps > 0]:
        return Finding("temperature", "warn", f"{text}; throttled: {', '.join(throttled)}", COOL_DOWN)
    near = [z for z in zones if z.throttles_at_c is not None and z.temperature_c > z.throttles_at_c - NEAR_C]
    if near:
        text = ", ".join(f"{z.name} {z.temperature_c:.0f} °C of {z.throttles_at_c:.0f}" for z in near)
        return Finding("temperature", "warn", f"{text}: about to throttle", COOL_DOWN)
    return Finding("temperature", "ok", text)


def _celsius(text: str | None) -> float | None:
    millidegrees = number(text)
    return None if millidegrees is None else millidegrees / 1000


def _kib(meminfo: str, key: str) -> int:
    found = re.search(rf"^{key}:\s*(\d+) kB", meminfo, re.MULTILINE)
    return number(found and found[1]) or 0
