"""Percentiles of one query after another, as MLPerf's single-stream scenario takes them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

SINGLE_STREAM = 0.90
"""MLPerf Inference: the result of a single stream is the 90th percentile of its queries' latencies."""


@dataclass(frozen=True)
class Times:
    """Milliseconds of ``queries`` runs, one after the other. p90_ms is MLPerf's single-stream latency."""

    queries: int
    p50_ms: float
    p90_ms: float
    p99_ms: float
    max_ms: float


def percentile(values: Sequence[float], part: float) -> float:
    """The smallest value that at least ``part`` (0..1) of the values do not exceed; always one that was measured."""
    ordered = sorted(values)
    # Rounded first: 0.9 * 10 is a little more than 9 for a computer.
    return ordered[max(math.ceil(round(part * len(ordered), 9)), 1) - 1]


def times(values_ms: Sequence[float]) -> Times:
    """values_ms: at least one."""
    p50, p90, p99 = (percentile(values_ms, part) for part in (0.5, SINGLE_STREAM, 0.99))
    return Times(len(values_ms), p50, p90, p99, max(values_ms))
