"""Where the time goes: wall milliseconds per stage and frame, with their tail."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from rich.table import Table

MEMORY_FRAMES = 36_000
"""Frames that statistics are taken over, the last ones: twenty minutes at 30 a second."""

STAGES = CAPTURE, POSE, TRACK, RECOGNISE, DRAW, WRITE = "capture", "pose", "track", "recognise", "draw", "write"
"""The stages of the loop. capture: waiting for the picture and decoding it; write: the sinks, encoding included."""

NETWORKS = "inside the networks"
OUTSIDE = "outside the networks"
DECISION = "picture to decision"
TOTAL = "end to end"
SUMS = (NETWORKS, OUTSIDE, DECISION, TOTAL)
"""NETWORKS and OUTSIDE add up to DECISION: pose, track and recognise. TOTAL is every stage."""


@dataclass(frozen=True)
class Latency:
    """Percentiles over the frames in which a stage ran, in milliseconds."""

    frames: int
    p50_ms: float
    p90_ms: float
    p99_ms: float
    max_ms: float


class StageTimer:
    """Times the stages of each frame.

    Use: ``with timer.stage("pose"): ...`` and ``add`` inside a frame, then ``next_frame``.
    warm_up_frames: the first so many are left out, or half the run where it is shorter than twice that.
    """

    def __init__(self, warm_up_frames: int) -> None:
        self._warm_up = warm_up_frames
        self._frames = 0
        self._history: dict[str, deque[tuple[int, float]]] = {}
        self.current: dict[str, float] = {}
        """Stage -> milliseconds, of the frame under way."""

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        start = time.perf_counter()
        try:
            yield
        finally:
            self.add(name, time.perf_counter() - start)

    def add(self, name: str, seconds: float) -> None:
        self.current[name] = self.current.get(name, 0.0) + 1000 * seconds

    def add_sums(self, network_s: float) -> None:
        """The decision is there: add up what it took, of which ``network_s`` inside the networks."""
        decision_ms = sum(self.current.get(stage, 0.0) for stage in (POSE, TRACK, RECOGNISE))
        network_ms = 1000 * network_s
        self.current |= {NETWORKS: network_ms, OUTSIDE: decision_ms - network_ms, DECISION: decision_ms}

    def next_frame(self) -> None:
        """The frame under way is over; all its stages add up to TOTAL."""
        self.current[TOTAL] = sum(ms for stage, ms in self.current.items() if stage not in SUMS)
        for name, ms in self.current.items():
            self._history.setdefault(name, deque(maxlen=MEMORY_FRAMES)).append((self._frames, ms))
        self._frames += 1
        self.current = {}

    def summary(self) -> dict[str, Latency]:
        """By stage, in the loop's order, then others, then sums; one that never ran after the warm-up is left out."""
        skipped = min(self._warm_up, self._frames // 2)
        names = sorted(self._history, key=lambda name: (*STAGES, name, *SUMS).index(name))
        counted = {name: [ms for n, ms in self._history[name] if n >= skipped] for name in names}
        return {name: _percentiles(values) for name, values in counted.items() if values}


def _percentiles(values_ms: list[float]) -> Latency:
    p50, p90, p99 = (float(p) for p in np.percentile(values_ms, (50, 90, 99)))
    return Latency(len(values_ms), p50, p90, p99, max(values_ms))


def latency_table(latencies: Mapping[str, Latency], title: str) -> Table:
    """One row a stage; sums below a line."""
    table = Table("stage", title=title, title_justify="left")
    for column in ("p50", "p90", "p99", "max", "frames"):
        table.add_column(column if column == "frames" else f"{column} ms", justify="right")
    for summed in (False, True):
        for name, row in latencies.items():
            if (name in SUMS) == summed:
                figures = (f"{ms:.2f}" for ms in (row.p50_ms, row.p90_ms, row.p99_ms, row.max_ms))
                table.add_row(name, *figures, str(row.frames))
        table.add_section()
    return table
