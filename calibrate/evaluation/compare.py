"""Two engines on the same inputs: how far apart their outputs and decisions are, and how fast each is."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.progress import track

from edge.cli.console import console
from edge.contract.errors import EngineError
from edge.contract.types import Float32
from edge.engines.engine import Engine
from edge.latency import percentiles

Array = NDArray[Any]

TURN = 10
"""Runs of an engine in a row, before the next engine's turn."""
CHANCE = 0.05
"""See :func:`agreement_threshold`."""
WARM_UP = 2
"""Runs of each turn that are not counted."""
REST_S = 0.05
"""Before each turn: ONNX Runtime's threads go on spinning after a run, on cores that the next engine needs. Engines run
one by one in turn made MobileNet-thin on two threads seem half as fast as it is."""


@dataclass(frozen=True)
class Deviation:
    """Absolute difference of one output over all samples. scale: the reference's largest absolute value."""

    largest: float
    mean: float
    scale: float


def outputs(engine: Engine, samples: Sequence[Array], what: str) -> dict[str, Array]:
    """Every output over all samples, concatenated along the batch. samples: arrays of batch 1."""
    name = engine.inputs[0].name
    runs = [engine.run({name: s}) for s in track(samples, what, console=console)]
    return {o.name: np.concatenate([r[o.name] for r in runs]) for o in engine.outputs}


def unbatched(clips: Array) -> list[Array]:
    """(N, ..) as N views of batch 1."""
    return list(clips[:, None])


def logits_of(engine: Engine, clips: Float32, what: str) -> Float32:
    """Logits (N, K) of clips (N, C, T, V, M), one run each. what: said beside the bar.

    Raises EngineError where one is not finite, as the loop does: of NaN the first class is the greatest, which may be
    right.
    """
    (logits,) = outputs(engine, unbatched(clips), what).values()
    if not np.isfinite(logits).all():
        raise EngineError("the network answered with NaN or infinite values", where=engine.describe())
    return logits


def deviation(reference: Array, other: Array) -> Deviation:
    """How far ``other`` is from ``reference``, both of one shape."""
    difference = np.abs(reference.astype(np.float64) - other)
    return Deviation(float(difference.max()), float(difference.mean()), float(np.abs(reference).max()))


def top1(logits: Array, labels: NDArray[np.int64]) -> float:
    """Share of (N, K) logits whose greatest is at the label, 0..1."""
    return float((logits.argmax(1) == labels).mean())


def agreement(reference: Array, other: Array) -> float:
    """Share of (N, K) logits that decide alike, 0..1."""
    return float((reference.argmax(1) == other.argmax(1)).mean())


def agreement_threshold(samples: int, wanted: float) -> float:
    """The agreement, in percent, that so few samples must show for ``wanted`` percent to be believed.

    Of sixteen clips one decided otherwise is six points, which a network that agrees on 99 % shows one time in seven.
    So as many may differ as would in more than one draw of twenty. Source: the binomial distribution.
    """
    # Slow to import, and only those who judge by few clips need it.
    from scipy.stats import binom

    changed = int(binom.ppf(1 - CHANCE, samples, 1 - wanted / 100))
    return 100 * (1 - changed / samples)


def accuracies(fp32: Array, int8: Array, labels: NDArray[np.int64]) -> dict[str, dict[str, float]]:
    """What a manifest says of both precisions' logits (N, K): top-1, and how often INT8 decides as FP32; 0..1."""
    found = {name: {"top1": round(top1(logits, labels), 4)} for name, logits in (("fp32", fp32), ("int8", int8))}
    found["int8"]["agreement"] = round(agreement(fp32, int8), 4)
    return found


@dataclass(frozen=True)
class Latency:
    """Wall milliseconds of one run: what five and what nine runs of ten do not exceed.

    device_p50_ms: of them, the median that the network takes on a GPU by its own clock; None elsewhere.
    """

    p50_ms: float
    p90_ms: float
    device_p50_ms: float | None = None


def latencies(engines: Sequence[Engine], sample: Array, rounds: int) -> list[Latency]:
    """Of each engine over ``rounds`` runs, in turns of a few, so that a machine's moods strike all alike."""
    times: list[list[float]] = [[] for _ in engines]
    device: list[list[float]] = [[] for _ in engines]
    for done in range(0, rounds, TURN):
        for engine, spent, on_gpu in zip(engines, times, device, strict=True):
            time.sleep(REST_S)
            for run in range(WARM_UP + min(TURN, rounds - done)):
                start = time.perf_counter()
                engine.run({engine.inputs[0].name: sample})
                if run < WARM_UP:
                    continue
                spent.append(time.perf_counter() - start)
                if engine.device_s is not None:
                    on_gpu.append(engine.device_s)
    return [_latency(*both) for both in zip(times, device, strict=True)]


def _latency(times: list[float], device: list[float]) -> Latency:
    p50_ms, p90_ms = (1e3 * p for p in percentiles(times, (0.5, 0.9)))
    return Latency(p50_ms, p90_ms, 1e3 * percentiles(device, (0.5,))[0] if device else None)
