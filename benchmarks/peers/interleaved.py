"""Several ways to do the same thing, timed in turn, so that what else the machine does falls on all of them."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np

from edge.contract.files import write_json
from edge.machine import machine

RESULTS = Path("runs/peers/results")

Times = dict[str, list[float]]


def interleaved(
    ways: Mapping[str, Callable[[], object]], rounds: int, *, in_a_row: int, left_out: int = 0, warm_up: int = 3
) -> Times:
    """Milliseconds of every way: "NAME wall" and "NAME processor" (all threads of the process), one entry a round.

    in_a_row: runs of a way before the next has its turn; an entry is the mean of them but the first ``left_out``,
    which find the caches full of what the way before read.
    """
    times: Times = {f"{name} {clock}": [] for name in ways for clock in ("wall", "processor")}
    for turn in range(warm_up + rounds):
        for name, run in ways.items():
            for _ in range(left_out):
                run()
            wall, processor = time.perf_counter(), time.process_time()
            for _ in range(in_a_row - left_out):
                run()
            took = time.perf_counter() - wall, time.process_time() - processor
            if turn >= warm_up:
                for clock, seconds in zip(("wall", "processor"), took, strict=True):
                    times[f"{name} {clock}"].append(1000 * seconds / (in_a_row - left_out))
    return times


def percentiles(values: list[float]) -> tuple[float, float]:
    """p50 and p90, interpolated, so that p50 is the median. Those of the device's own reports are nearest-rank."""
    p50, p90 = np.percentile(values, (50, 90))
    return float(p50), float(p90)


def ratios(of: list[float], to: list[float]) -> tuple[float, float]:
    """p50 and p90 of round by round ``of / to``."""
    return percentiles((np.array(of) / np.array(to)).tolist())


def keep(section: str, command: str, found: Mapping[str, Any]) -> None:
    """Write a section's figures with what they were measured on, whole or not at all."""
    RESULTS.mkdir(parents=True, exist_ok=True)
    about = {
        "command": command,
        "date": datetime.now(timezone.utc).date().isoformat(),
        "machine": machine(),
        "load": round(os.getloadavg()[0], 1),
    }
    write_json(RESULTS / f"{section}.json", {"about": about, **found})


def kept(section: str) -> dict[str, Any] | None:
    """What :func:`keep` wrote, None where that section has not run."""
    path = RESULTS / f"{section}.json"
    if not path.is_file():
        return None
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found
