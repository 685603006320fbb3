"""Latency per stage and frame: wall milliseconds, and their percentiles."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass

import numpy as np
from rich.table import Column, Table

from edge.contract.types import Float32

HISTORY_FRAMES = 36_000
"""Statistics are over this many last frames: 20 minutes at 30 frames per second."""

STAGES = CAPTURE, POSE, TRACK, RECOGNISE, DRAW = "capture", "pose", "track", "recognise", "draw"
"""The stages of the loop. capture: waiting for the frame and decoding it. Each sink adds a row of its own name."""

NETWORKS = "inside the networks"
OUTSIDE = "outside the networks"
WAITING = "waiting between stages"
DECISION = "capture to decision"
SUMS = (NETWORKS, OUTSIDE, WAITING, DECISION)
"""NETWORKS and OUTSIDE add up to pose, track and recognise; with WAITING they add up to DECISION, the age of a frame
(since it was read) when its actions are decided."""


@dataclass(frozen=True)
class Latency:
    """Percentiles of ``count`` latencies, see :func:`percentiles`: of a stage, those of the frames in which it ran."""

    count: int
    p50_ms: float
    p90_ms: float
    p99_ms: float
    max_ms: float

    @staticmethod
    def of(values_ms: Float32 | Sequence[float]) -> Latency:
        """values_ms: at least one."""
        p50, p90, p99, largest = percentiles(values_ms, (0.5, 0.9, 0.99, 1.0))
        return Latency(len(values_ms), p50, p90, p99, largest)

    def figures(self, counted: str = "frames") -> dict[str, float]:
        """Rounded, for files. counted: name of what was counted."""
        figures = rounded(asdict(self))
        return {counted: figures.pop("count"), **figures}


@contextmanager
def timed(latency_ms: dict[str, float], stage: str) -> Iterator[None]:
    """Add the wall milliseconds of the block to the stage's, even if the block raises."""
    start = time.perf_counter()
    try:
        yield
    finally:
        latency_ms[stage] = latency_ms.get(stage, 0.0) + 1000 * (time.perf_counter() - start)


class _Ring:
    """Ring buffer of the last values, allocated once: a loop that runs for weeks must not grow."""

    def __init__(self) -> None:
        # np.full touches the pages; those of np.zeros would be allocated one by one later.
        self._values: Float32 = np.full(HISTORY_FRAMES, np.nan, np.float32)
        self._frames = np.full(HISTORY_FRAMES, -1, np.int64)
        self.count = 0

    def add(self, frame: int, value_ms: float) -> None:
        at = self.count % HISTORY_FRAMES
        self._values[at], self._frames[at] = value_ms, frame
        self.count += 1

    def after(self, first_frame: int) -> Float32:
        return self._values[self._frames >= first_frame]


class LatencyHistory:
    """Latencies of all stages. Thread-safe.

    warm_up_frames: first frames to leave out; half the run if it is shorter than twice that.
    """

    def __init__(self, warm_up_frames: int) -> None:
        self._warm_up = warm_up_frames
        self._lock = threading.Lock()
        self._rings: dict[str, _Ring] = {}
        self._frames = 0

    def add(self, frame: int, latency_ms: Mapping[str, float]) -> None:
        """Add measurements of the run's n-th frame, counted from 0. They may come in several calls."""
        with self._lock:
            self._frames = max(self._frames, frame + 1)
            for stage, ms in latency_ms.items():
                ring = self._rings.get(stage)
                if ring is None:  # setdefault would allocate a ring for every value
                    ring = self._rings[stage] = _Ring()
                ring.add(frame, ms)

    def values(self, last_frames: int | None = None) -> dict[str, Float32]:
        """Milliseconds by stage after the warm-up: stages in the loop's order, then sinks, then sums.

        Stages without values are left out. last_frames: only of these.
        """
        with self._lock:
            skipped = min(self._warm_up, self._frames // 2)
            if last_frames is not None:
                skipped = max(skipped, self._frames - last_frames)
            counted = {name: self._rings[name].after(skipped) for name in sorted(self._rings, key=_position)}
        return {name: values for name, values in counted.items() if len(values)}

    def summary(self, last_frames: int | None = None) -> dict[str, Latency]:
        """Percentiles of :meth:`values`."""
        return {name: Latency.of(values) for name, values in self.values(last_frames).items()}


def _position(name: str) -> int:
    order = (*STAGES, "", *SUMS)
    return order.index(name if name in order else "")


def percentiles(values: Float32 | Sequence[float], parts: Sequence[float]) -> list[float]:
    """Nearest-rank percentiles: for each part, above 0 up to 1, the smallest value that it does not exceed.

    Always a measured value: of 100 frames p99 is the second slowest. MLPerf defines its single-stream latency this way.
    values: (N,), at least one.
    """
    ordered = np.sort(values)
    # Rounded first: in floating point 0.07 * 100 is slightly above 7.
    ranks = np.ceil(np.round(np.multiply(parts, len(ordered)), 9)).astype(np.int64)
    return [float(ordered[rank - 1]) for rank in ranks]


def rounded(figures: Mapping[str, float]) -> dict[str, float]:
    """Round to three decimals, for files."""
    return {name: round(value, 3) for name, value in figures.items()}


def latency_table(latencies: Mapping[str, Latency], title: str) -> Table:
    """One row per stage; sums below a line."""
    table = Table(Column("stage", overflow="fold"), title=title, title_justify="left")
    for column in ("p50", "p90", "p99", "max", "frames"):
        table.add_column(column if column == "frames" else f"{column} ms", justify="right", no_wrap=True)
    for summed in (False, True):
        for name, row in latencies.items():
            if (name in SUMS) == summed:
                figures = (f"{ms:.2f}" for ms in (row.p50_ms, row.p90_ms, row.p99_ms, row.max_ms))
                table.add_row(name, *figures, str(row.count))
        table.add_section()
    return table
