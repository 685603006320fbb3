"""Power mode and clocks: published figures are for the fastest mode, with clocks locked at their maximum."""

from __future__ import annotations

from collections.abc import Mapping

from edge.doctor.finding import Finding, not_applicable
from edge.machine import mode_name, modes, saved_mode

FASTEST = ("MAXN_SUPER", "MAXN")
"""By name, fastest first, because the numbers of modes differ between boards."""


def power_mode(nvpmodel: str | None, status: str | None, configuration: str | None, on_jetson: bool) -> Finding:
    """ok in the board's fastest mode."""
    if not on_jetson:
        return not_applicable("power mode")
    name = mode_name(nvpmodel) or saved_mode(status, configuration)
    if name is None:
        return Finding("power mode", "warn", "unknown", "sudo nvpmodel -q shows it (in a container: on the host)")
    known = modes(configuration)
    best = next((mode for mode in FASTEST if mode in known), None)
    if name == best or (best is None and name in FASTEST):
        return Finding("power mode", "ok", name)
    fix = "sudo nvpmodel -p --verbose lists the modes" if best is None else f"sudo nvpmodel -m {known[best]}"
    return Finding("power mode", "warn", name if best is None else f"{name}; {best} is faster", fix)


def clocks(limits_hz: Mapping[str, tuple[int, int]], on_jetson: bool) -> Finding:
    """limits_hz: unit -> minimum and maximum clock; jetson_clocks makes them equal."""
    if not on_jetson:
        return not_applicable("clocks")
    if not limits_hz:
        return Finding("clocks", "warn", "cannot be read", "sudo jetson_clocks --show")
    unlocked = [unit for unit, (low, high) in limits_hz.items() if low < high]
    maxima = ", ".join(f"{unit} {high / 1e6:.0f} MHz" for unit, (_, high) in limits_hz.items())
    if unlocked:
        return Finding("clocks", "warn", f"not locked at their maximum ({maxima}): figures vary", "sudo jetson_clocks")
    return Finding("clocks", "ok", f"locked at {maxima}")
