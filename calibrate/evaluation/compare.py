"""Compare engines on the same inputs: outputs, decisions and latency."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.bench.accuracy_figures import agreement
from edge.bench.query_times import QueryTimes
from edge.cli.progress_bar import track
from edge.contract.errors import EngineError
from edge.contract.types import Float32
from edge.engines.engine import Engine

Array = NDArray[Any]

TURN = 10
"""Timed runs of one engine before the next engine's turn."""
CHANCE = 0.05
"""Significance level of :func:`agreement_threshold`."""
WARM_UP = 2
"""Untimed runs at the start of each turn."""
REST_S = 0.05
"""Pause before each turn, because ONNX Runtime's threads spin for a while after a run, on cores that the next engine
needs. Alternating after every run halved the measured speed of MobileNet-thin on two threads."""


@dataclass(frozen=True)
class Deviation:
    """Absolute difference of one output over all samples. scale: the reference's largest absolute value."""

    largest: float
    mean: float
    scale: float


def outputs(engine: Engine, samples: Sequence[Array], what: str) -> dict[str, Array]:
    """Return every output, concatenated over samples of batch 1. what: label of the progress bar."""
    name = engine.inputs[0].name
    runs = [engine.run({name: s}) for s in track(samples, what, len(samples))]
    return {o.name: np.concatenate([r[o.name] for r in runs]) for o in engine.outputs}


def unbatched(clips: Array) -> list[Array]:
    """Return clips (N, ..) as N views (1, ..)."""
    return list(clips[:, None])


def logits_of(engine: Engine, clips: Float32, what: str) -> Float32:
    """Return logits (N, K) of clips (N, C, T, V, M), one run each. what: label of the progress bar.

    Raises EngineError if one is not finite, as the loop does: argmax of NaN is class 0, which may be the label.
    """
    (logits,) = outputs(engine, unbatched(clips), what).values()
    if not np.isfinite(logits).all():
        raise EngineError("the network returned NaN or infinite values", where=engine.describe())
    return logits


def deviation(reference: Array, other: Array) -> Deviation:
    """Return the deviation of ``other`` from ``reference``, arrays of equal shape."""
    difference = np.abs(reference.astype(np.float64) - other)
    return Deviation(float(difference.max()), float(difference.mean()), float(np.abs(reference).max()))


def top1(logits: Array, labels: NDArray[np.int64]) -> float:
    """Return the top-1 accuracy of logits (N, K), 0..1."""
    return float((logits.argmax(1) == labels).mean())


def agreement_threshold(samples: int, wanted: float) -> float:
    """Return the lowest agreement measured on ``samples`` clips, in percent, that a true one of ``wanted`` explains.

    One of 16 clips is six points, and a network with 99 % true agreement decides one of 16 differently in every seventh
    draw. At least 95 % of draws reach the threshold (binomial distribution).
    """
    # Imported here because it is slow and rarely needed.
    from scipy.stats import binom

    changed = int(binom.ppf(1 - CHANCE, samples, 1 - wanted / 100))
    return 100 * (1 - changed / samples)


def accuracies(known: Mapping[str, Any], fp32: Array, int8: Array, labels: NDArray[np.int64]) -> dict[str, Any]:
    """Return a manifest's ``accuracy`` with what the logits (N, K) of both precisions show; shares are 0..1.

    known: the entries so far; those of FP32 that are not measured here stay.
    """
    return {
        **known,
        "test_clips": len(labels),
        "fp32": {**known.get("fp32", {}), "top1": round(top1(fp32, labels), 4)},
        "int8": {"top1": round(top1(int8, labels), 4), "agreement": round(agreement(fp32, int8) / 100, 4)},
    }


def latencies(engines: Sequence[Engine], sample: Array, rounds: int) -> list[QueryTimes]:
    """Measure each engine over ``rounds`` runs, in alternating turns so that changes in machine load affect all."""
    host_ms: list[list[float]] = [[] for _ in engines]
    device_ms: list[list[float]] = [[] for _ in engines]
    for done in range(0, rounds, TURN):
        for engine, spent, on_gpu in zip(engines, host_ms, device_ms, strict=True):
            time.sleep(REST_S)
            for run in range(WARM_UP + min(TURN, rounds - done)):
                start = time.perf_counter()
                engine.run({engine.inputs[0].name: sample})
                if run < WARM_UP:
                    continue
                spent.append(1000 * (time.perf_counter() - start))
                if engine.device_s is not None:
                    on_gpu.append(1000 * engine.device_s)
    return [QueryTimes.of(*times_ms) for times_ms in zip(host_ms, device_ms, strict=True)]
