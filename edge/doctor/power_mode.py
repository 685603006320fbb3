"""Power mode and clocks: published figures are for the fastest mode, with clocks locked at their maximum."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

from edge.doctor.finding import Finding, not_applicable
from edge.machine import mode_name, modes, saved_mode

FASTEST = ("MAXN_SUPER", "MAXN")
"""By name, fastest first, because the numbers of modes differ between boards."""
BUDGET = re.compile(r"(?:MODE_)?(\d{1,4})W(?:_(\d{1,2})CORE)?")
"""Watts and cores, as in MODE_20W_6CORE: all that Xavier NX has, and Orin Nano before JetPack 6.2 (15W, 7W)."""


def power_mode(nvpmodel: str | None, status: str | None, configuration: str | None, on_jetson: bool) -> Finding:
    """ok in the board's fastest mode."""
    if not on_jetson:
        return not_applicable("power mode")
    name = mode_name(nvpmodel) or saved_mode(status, configuration)
    if name is None:
        return Finding("power mode", "warn", "unknown", "sudo nvpmodel -q shows it (in a container: on the host)")
    known = modes(configuration)
    best = _fastest(known)
    if name == best or (best is None and name in FASTEST):
        return Finding("power mode", "ok", name)
    fix = "sudo nvpmodel -p --verbose lists the modes" if best is None else f"sudo nvpmodel -m {known[best]}"
    return Finding("power mode", "warn", name if best is None else f"{name}; {best} is faster", fix)


def _fastest(names: Collection[str]) -> str | None:
    """The mode without limits, else that with the most watts and, among these, cores; None if names tell neither."""
    if unlimited := next((name for name in FASTEST if name in names), None):
        return unlimited
    budgets = [(int(found[1]), int(found[2] or 0), name) for name in names if (found := BUDGET.fullmatch(name))]
    return max(budgets, default=(0, 0, None))[2]


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
