"""Time several candidates in alternation, so that other load on the machine affects all of them."""

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
    candidates: Mapping[str, Callable[[], object]], rounds: int, *, repeats: int, discard: int = 0, warm_up: int = 3
) -> Times:
    """Milliseconds of every candidate: "NAME wall" and "NAME processor" (all threads), one entry per round.

    repeats: runs of a candidate per round. An entry is their mean without the first ``discard``, which find the caches
    full of the previous candidate's data.
    """
    times: Times = {f"{name} {clock}": [] for name in candidates for clock in ("wall", "processor")}
    for turn in range(warm_up + rounds):
        for name, run in candidates.items():
            for _ in range(discard):
                run()
            wall, processor = time.perf_counter(), time.process_time()
            for _ in range(repeats - discard):
                run()
            took = time.perf_counter() - wall, time.process_time() - processor
            if turn >= warm_up:
                for clock, seconds in zip(("wall", "processor"), took, strict=True):
                    times[f"{name} {clock}"].append(1000 * seconds / (repeats - discard))
    return times


def percentiles(values: list[float]) -> tuple[float, float]:
    """p50 and p90, interpolated, so that p50 is the median. The device's own reports use nearest rank."""
    p50, p90 = np.percentile(values, (50, 90))
    return float(p50), float(p90)


def ratios(of: list[float], to: list[float]) -> tuple[float, float]:
    """p50 and p90 of ``of / to``, round by round."""
    return percentiles((np.array(of) / np.array(to)).tolist())


def write_results(section: str, command: str, found: Mapping[str, Any]) -> None:
    """Write a section's figures, with the machine they were measured on, atomically."""
    RESULTS.mkdir(parents=True, exist_ok=True)
    about = {
        "command": command,
        "date": datetime.now(timezone.utc).date().isoformat(),
        "machine": machine(),
        "load": round(os.getloadavg()[0], 1),
    }
    write_json(RESULTS / f"{section}.json", {"about": about, **found})


def read_results(section: str) -> dict[str, Any] | None:
    """What :func:`write_results` wrote, None if that section has not run."""
    path = RESULTS / f"{section}.json"
    if not path.is_file():
        return None
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found
