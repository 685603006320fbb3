"""Power, energy, temperature and throttling of a board during a benchmark."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from edge.bench.tegrastats import INTERVAL_MS, BoardSample, board_samples
from edge.doctor.sensors import clock_limits, throttles, zones
from edge.host import Host, ThisHost, number

IDLE_S = 2.0
"""How long the board's idle power is measured before anything runs."""
OVER_CURRENT = "/sys/class/hwmon/hwmon*/oc*_event_cnt"
"""On Orin and Thor, counters of clock reductions: oc1 for too low a voltage, oc2 and oc3 for too high a current."""


class BoardMonitor:
    """Collects samples, temperatures and throttling during a benchmark. idle: samples before it; loop: the loop's."""

    def __init__(self, samples: Sequence[BoardSample], host: Host) -> None:
        self._samples, self._host = samples, host
        self.idle: list[BoardSample] = []
        self.loop: list[BoardSample] = []
        self._temperatures_c: list[float] = []  # of the hottest unit at each poll
        self._slowed_by_heat: set[str] = set()
        self._initial_over_current = self._over_current()
        self.poll()
        limits = clock_limits(host).values()
        # Equal, as jetson_clocks sets them; None if unknown.
        self._clocks_held = all(low == high for low, high in limits) if limits else None

    @contextmanager
    def in_loop(self) -> Iterator[None]:
        """Count samples taken inside the block as the loop's, then poll for throttling."""
        before = len(self._samples)
        yield
        self.loop += self._samples[before:]
        self.poll()

    def poll(self) -> None:
        """Record temperatures and throttling, now and since the start."""
        by_unit = throttles(self._host)
        if temperatures := [zone.temperature_c for zone in zones(self._host)]:
            self._temperatures_c.append(max(temperatures))
        self._slowed_by_heat |= {unit for unit, steps in by_unit.items() if steps > 0}
        self._over_current_events = max(0, self._over_current() - self._initial_over_current)
        self._reports_throttling = bool(by_unit or self._host.names(OVER_CURRENT))

    def measure_idle(self) -> None:
        """Measure the idle power, if the board reports power."""
        time.sleep(2 * INTERVAL_MS / 1000)
        if any(sample.power_w is not None for sample in self._samples):
            before = len(self._samples)
            time.sleep(IDLE_S)
            self.idle = list(self._samples[before:])

    def _over_current(self) -> int:
        return sum(number(self._host.read(name)) or 0 for name in self._host.names(OVER_CURRENT))

    def figures(self, frames: int, seconds: float) -> dict[str, Any] | None:
        """Power, energy, temperature and memory during the loop, None if the machine reports nothing.

        frames, seconds: totals of the loop. energy_per_inference_mj: per frame through all its networks, idle power
        included; energy_above_idle_mj: without idle power.
        """
        temperatures = self._temperatures_c + [t for sample in self.loop if (t := sample.hottest_c) is not None]
        if not self.loop and not temperatures and not self._reports_throttling and self._clocks_held is None:
            return None
        rams = [sample.ram_mb for sample in self.loop if sample.ram_mb is not None]
        watts, idle_w = _mean_w(self.loop), _mean_w(self.idle)
        above_w = None if watts is None or idle_w is None else watts - idle_w
        return {
            "samples": len(self.loop),
            "power_w": _rounded(watts),
            "idle_w": _rounded(idle_w),
            "energy_per_inference_mj": _rounded(_per_frame_mj(watts, seconds, frames)),
            "energy_above_idle_mj": _rounded(_per_frame_mj(above_w, seconds, frames)),
            "coolest_c": min(temperatures, default=None),
            "hottest_c": max(temperatures, default=None),
            "ram_mb": max(rams, default=None),
            "clocks_held": self._clocks_held,
            "slowed_by_heat": sorted(self._slowed_by_heat) if self._reports_throttling else None,
            "over_current_events": self._over_current_events if self._reports_throttling else None,
        }


@contextmanager
def monitor_board() -> Iterator[BoardMonitor]:
    """A monitor that runs during the block, after it has measured the idle power."""
    with board_samples() as samples:
        monitor = BoardMonitor(samples, ThisHost())
        monitor.measure_idle()
        yield monitor


def _mean_w(samples: Sequence[BoardSample]) -> float | None:
    powers = [power for sample in samples if (power := sample.power_w) is not None]
    return sum(powers) / len(powers) if powers else None


def _per_frame_mj(watts: float | None, seconds: float, frames: int) -> float | None:
    return None if watts is None else 1000 * watts * seconds / frames


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)
