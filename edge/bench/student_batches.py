"""The student alone, for 1 to 8 people at once."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from edge.bench.single_stream import Times, times
from edge.contract.bundle import Bundle
from edge.contract.errors import EngineError
from edge.engines.registry import open_engine
from edge.recogniser import RecogniserConfig, network_file


@dataclass(frozen=True)
class BatchTimes:
    """batch: clips in one run. clips_per_s: at the median."""

    batch: int
    times: Times
    clips_per_s: float


def student_batches(
    bundle: Bundle, config: RecogniserConfig, batches: Sequence[int], queries: int, warm_up: int
) -> Iterator[BatchTimes]:
    """Time the student on the bundle's own reference clips. A size that the network or engine refuses is left out."""
    engine = open_engine(network_file(bundle, config), threads=config.threads)
    clips, name = bundle.reference()["clips"], bundle.manifest.input_name
    fixed = engine.inputs[0].shape[0]
    try:
        for batch in batches:
            if fixed not in (None, batch):
                continue
            inputs = {name: np.ascontiguousarray(np.resize(clips, (batch, *clips.shape[1:])))}
            try:
                for _ in range(warm_up):
                    engine.run(inputs)
            except EngineError:  # an engine is built for so many at most
                continue
            measured = []
            for _ in range(queries):
                start = time.perf_counter()
                engine.run(inputs)
                measured.append(1000 * (time.perf_counter() - start))
            found = times(measured)
            yield BatchTimes(batch, found, 1000 * batch / found.p50_ms)
    finally:
        engine.close()
