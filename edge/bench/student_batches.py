"""Time the student alone, for several batch sizes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass

import numpy as np

from edge.bench.query_times import QueryTimes, query_times
from edge.contract.bundle import Bundle
from edge.engines.registry import open_engine
from edge.recognition.recogniser import RecogniserConfig, network_file


@dataclass(frozen=True)
class BatchTimes:
    """batch: clips per run. clips_per_s: at the host's median latency."""

    batch: int
    times: QueryTimes
    clips_per_s: float


def student_batches(
    bundle: Bundle, config: RecogniserConfig, batches: Sequence[int], queries: int, warm_up: int
) -> Iterator[BatchTimes]:
    """Time the student on the bundle's reference clips. Skips batch sizes that the network or engine does not take."""
    clips, name = bundle.reference()["clips"], bundle.manifest.input_name
    with closing(open_engine(network_file(bundle, config), threads=config.threads)) as engine:
        fixed, largest = engine.inputs[0].shape[0], engine.inputs[0].max_batch
        for batch in batches:
            if fixed not in (None, batch) or (largest is not None and batch > largest):
                continue
            inputs = {name: np.ascontiguousarray(np.resize(clips, (batch, *clips.shape[1:])))}
            found = query_times(engine, inputs, queries, warm_up)
            yield BatchTimes(batch, found, 1000 * batch / found.host.p50_ms)
