"""Time consecutive queries of an engine, as in MLPerf's single-stream scenario."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.engines.engine import Engine
from edge.latency import percentiles
from edge.pose.registry import PoseConfig, open_networks

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


@dataclass(frozen=True)
class QueryTimes:
    """host: from call to answer, copies included. device: between CUDA events around the network alone, None if the
    runtime has no such clock."""

    host: Times
    device: Times | None


def times(values_ms: Sequence[float]) -> Times:
    """values_ms: at least one."""
    p50, p90, p99 = percentiles(values_ms, (0.5, SINGLE_STREAM, 0.99))
    return Times(len(values_ms), p50, p90, p99, max(values_ms))


def query_times(engine: Engine, inputs: Mapping[str, NDArray[Any]], queries: int, warm_up: int) -> QueryTimes:
    """Time ``queries`` runs after ``warm_up`` more. Raises EngineError if the engine refuses the inputs."""
    for _ in range(warm_up):
        engine.run(inputs)
    host_ms, device_ms = [], []
    for _ in range(queries):
        start = time.perf_counter()
        engine.run(inputs)
        host_ms.append(1000 * (time.perf_counter() - start))
        if engine.device_s is not None:
            device_ms.append(1000 * engine.device_s)
    return QueryTimes(times(host_ms), times(device_ms) if device_ms else None)


def pose_network_times(config: PoseConfig, queries: int, warm_up: int) -> dict[str, QueryTimes]:
    """Time each network of the pose estimator, opened as in the loop, on random 0 and 1; dynamic axes are 1."""
    results = {}
    for name, engine in open_networks(config).items():
        rng = np.random.default_rng(0)
        shapes = {spec: tuple(1 if length is None else length for length in spec.shape) for spec in engine.inputs}
        inputs = {spec.name: rng.integers(0, 2, shape).astype(spec.dtype) for spec, shape in shapes.items()}
        results[name] = query_times(engine, inputs, queries, warm_up)
        engine.close()
    return results
