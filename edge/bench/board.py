"""Power, energy, heat and slowing down of a board while figures are taken on it."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from edge.bench.tegrastats import INTERVAL_MS, BoardSample, board_samples
from edge.doctor.checks import clock_limits, throttles, zones
from edge.doctor.host import Host, ThisHost

IDLE_S = 2.0
"""The board's own draw is taken over so long, before anything runs."""
OVER_CURRENT = "/sys/class/hwmon/hwmon*/oc*_event_cnt"
"""Counters, on Orin, of the times that the clocks were cut because a supply gave too much."""


@dataclass
class Throttling:
    """by_heat: units that were slowed down by heat at one of the looks. over_current: times that clocks were cut.

    heats_c: of the hottest unit at each look. told: whether this machine tells of being slowed down.
    clocks_held: whether lowest and highest clock were the same, as jetson_clocks makes them; None where nothing tells.
    """

    by_heat: set[str] = field(default_factory=set)
    over_current: int = 0
    heats_c: list[float] = field(default_factory=list)
    clocks_held: bool | None = None
    told: bool = False


class BoardWatch:
    """What the board says while measurements run. idle: samples from before, loop: those of the loop alone."""

    def __init__(self, samples: Sequence[BoardSample], host: Host) -> None:
        self._samples, self._host = samples, host
        self.idle: list[BoardSample] = []
        self.loop: list[BoardSample] = []
        self.throttling = Throttling()
        self._counted = self._over_current()
        self.look()
        limits = clock_limits(host)
        if limits:
            self.throttling.clocks_held = all(low == high for low, high in limits.values())

    @contextmanager
    def in_loop(self) -> Iterator[None]:
        """Samples that come inside the block are the loop's; whether it is slowed down is looked at afterwards."""
        before = len(self._samples)
        yield
        self.loop += self._samples[before:]
        self.look()

    def look(self) -> None:
        """Is anything slowed down now, or was it since the watch began?"""
        by_unit = throttles(self._host)
        self.throttling.heats_c += [max(heats)] if (heats := [z.temperature_c for z in zones(self._host)]) else []
        self.throttling.by_heat |= {unit for unit, steps in by_unit.items() if steps > 0}
        self.throttling.over_current = max(0, self._over_current() - self._counted)
        self.throttling.told = bool(by_unit or self._host.names(OVER_CURRENT))

    def rest(self) -> None:
        """Take what the board draws without us, where it tells."""
        time.sleep(2 * INTERVAL_MS / 1000)
        if any(sample.power_w is not None for sample in self._samples):
            before = len(self._samples)
            time.sleep(IDLE_S)
            self.idle = list(self._samples[before:])

    def _over_current(self) -> int:
        counts = (self._host.read(name) or "" for name in self._host.names(OVER_CURRENT))
        return sum(int(count) for count in counts if count.isdigit())


@contextmanager
def watched_board() -> Iterator[BoardWatch]:
    """A watch that runs while the block does; it has looked at the board at rest."""
    with board_samples() as samples:
        watch = BoardWatch(samples, ThisHost())
        watch.rest()
        yield watch


def board_figures(
    loop: Sequence[BoardSample], idle: Sequence[BoardSample], throttling: Throttling, frames: int, seconds: float
) -> dict[str, Any] | None:
    """Power, energy, heat and memory while the loop ran, None where nothing tells.

    frames, seconds: of the loop in all. energy_per_inference_mj: of a frame through all networks that it needs,
    what an idle board draws included; energy_above_idle_mj: that taken off.
    """
    heats = throttling.heats_c + [heat for sample in loop if (heat := sample.hottest_c) is not None]
    if not loop and not heats and not throttling.told and throttling.clocks_held is None:
        return None
    rams = [sample.ram_mb for sample in loop if sample.ram_mb is not None]
    watts, idle_w = _mean_w(loop), _mean_w(idle)
    above_w = None if watts is None or idle_w is None else watts - idle_w
    return {
        "samples": len(loop),
        "power_w": _rounded(watts),
        "idle_w": _rounded(idle_w),
        "energy_per_inference_mj": _rounded(_per_frame_mj(watts, seconds, frames)),
        "energy_above_idle_mj": _rounded(_per_frame_mj(above_w, seconds, frames)),
        "coolest_c": min(heats, default=None),
        "hottest_c": max(heats, default=None),
        "ram_mb": max(rams, default=None),
        "clocks_held": throttling.clocks_held,
        "slowed_by_heat": sorted(throttling.by_heat) if throttling.told else None,
        "over_current_events": throttling.over_current if throttling.told else None,
    }


def _mean_w(samples: Sequence[BoardSample]) -> float | None:
    powers = [power for sample in samples if (power := sample.power_w) is not None]
    return sum(powers) / len(powers) if powers else None


def _per_frame_mj(watts: float | None, seconds: float, frames: int) -> float | None:
    return None if watts is None else 1000 * watts * seconds / frames


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)
