"""Latency of consecutive queries, as in MLPerf's single-stream scenario."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from edge.latency import percentiles

SINGLE_STREAM = 0.90
"""MLPerf Inference: a single stream's result is the 90th percentile of its queries' latencies."""


@dataclass(frozen=True)
class Times:
    """Percentiles over ``queries`` consecutive runs. p90_ms is MLPerf's single-stream latency."""

    queries: int
    p50_ms: float
    p90_ms: float
    p99_ms: float
    max_ms: float


def times(values_ms: Sequence[float]) -> Times:
    """values_ms: at least one."""
    p50, p90, p99 = percentiles(values_ms, (0.5, SINGLE_STREAM, 0.99))
    return Times(len(values_ms), p50, p90, p99, max(values_ms))
