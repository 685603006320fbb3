"""Clocks, temperatures and throttling, from the kernel's files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from edge.doctor import resources
from edge.host import Host, number

CPU_POLICIES = "/sys/devices/system/cpu/cpufreq/policy*"
GPU_NAMES = "gm20b", "gp10b", "gv11b", "ga10b", ".gpu", "gpu-gpc"
"""Parts of the GPU's name in /sys/class/devfreq, from Nano to Thor, whose gpu-nvd-0 is the video decoder."""


def clock_limits(host: Host) -> dict[str, tuple[int, int]]:
    """Unit -> current minimum and maximum clock in Hz, of CPU and GPU."""
    limits = {}
    for policy in host.names(CPU_POLICIES):
        if (khz := _range(host, f"{policy}/scaling_min_freq", f"{policy}/scaling_max_freq")) is not None:
            limits[f"CPU {Path(policy).name.removeprefix('policy')}"] = khz[0] * 1000, khz[1] * 1000
    gpus = [name for name in host.names("/sys/class/devfreq/*") if any(gpu in Path(name).name for gpu in GPU_NAMES)]
    for gpu in gpus:
        if (hz := _range(host, f"{gpu}/min_freq", f"{gpu}/max_freq")) is not None:
            limits["GPU"] = hz
    return limits


def _range(host: Host, lowest: str, highest: str) -> tuple[int, int] | None:
    """The numbers in two files; None if one is missing."""
    low, high = (number(host.read(path)) for path in (lowest, highest))
    return None if low is None or high is None else (low, high)


def zones(host: Host) -> Iterator[resources.ThermalZone]:
    """Temperature sensors that have a reading."""
    for folder in host.names("/sys/class/thermal/thermal_zone*"):
        kinds = host.names(f"{folder}/trip_point_*_type")
        trips = [(host.read(kind) or "", host.read(kind.replace("_type", "_temp")) or "") for kind in kinds]
        name = host.read(f"{folder}/type") or Path(folder).name
        if (zone := resources.zone(name, host.read(f"{folder}/temp"), trips)) is not None:
            yield zone


def throttles(host: Host) -> dict[str, int]:
    """Unit -> throttling steps. Boards from Xavier on have an alert for each unit that can be throttled."""
    found = {}
    for folder in host.names("/sys/class/thermal/cooling_device*"):
        name, steps = host.read(f"{folder}/type") or "", number(host.read(f"{folder}/cur_state"))
        if "throttle-alert" in name and steps is not None:
            found[name] = steps
    return found
