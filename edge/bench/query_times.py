"""Time consecutive queries of a network alone, as in MLPerf's single-stream scenario, whose result is the p90."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.contract.bundle import Bundle
from edge.engines.engine import Engine
from edge.engines.registry import open_engine
from edge.latency import Latency
from edge.pose.registry import PoseConfig, open_networks
from edge.recognition.recogniser import RecogniserConfig, network_file


@dataclass(frozen=True)
class QueryTimes:
    """host: from call to answer, copies included. device: between CUDA events around the network alone, None if the
    runtime has no such clock."""

    host: Latency
    device: Latency | None

    @staticmethod
    def of(host_ms: Sequence[float], device_ms: Sequence[float]) -> QueryTimes:
        """host_ms: at least one. device_ms: none if the runtime has no such clock."""
        return QueryTimes(Latency.of(host_ms), Latency.of(device_ms) if device_ms else None)

    def medians(self) -> dict[str, float | None]:
        """For the reports of `calibrate`, not rounded."""
        device = None if self.device is None else self.device.p50_ms
        return {"p50_ms": self.host.p50_ms, "p90_ms": self.host.p90_ms, "device_p50_ms": device}

    def figures(self) -> dict[str, Any]:
        """For latency.json: the host's figures, and under "device" the GPU's."""
        device = None if self.device is None else self.device.figures("queries")
        return {**self.host.figures("queries"), "device": device}


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
    return QueryTimes.of(host_ms, device_ms)


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


def student_times(
    bundle: Bundle, config: RecogniserConfig, batches: Sequence[int], queries: int, warm_up: int
) -> dict[int, QueryTimes]:
    """Time the student on the bundle's reference clips, by batch size; those that it does not take are left out."""
    clips, name = bundle.reference()["clips"], bundle.manifest.input_name
    results = {}
    with closing(open_engine(network_file(bundle, config), threads=config.threads)) as engine:
        fixed, largest = engine.inputs[0].shape[0], engine.inputs[0].max_batch
        for batch in batches:
            if fixed in (None, batch) and (largest is None or batch <= largest):
                inputs = {name: np.ascontiguousarray(np.resize(clips, (batch, *clips.shape[1:])))}
                results[batch] = query_times(engine, inputs, queries, warm_up)
    return results
