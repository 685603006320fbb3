"""Accuracy against time: the points of every row, and which of them nobody is ahead of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import mean
from typing import Literal

from benchmarks.peers.eight_bits import in_eight_bits
from benchmarks.peers.interleaved import percentiles
from benchmarks.peers.trainings import ROWS, Quality, finished

Precision = Literal["FP32", "INT8"]

DATASETS = {"penn_action": "Penn Action", "utd_mhad": "UTD-MHAD"}
QUALITIES: tuple[Quality, ...] = ("hq", "lq")


@dataclass(frozen=True)
class Point:
    """A row in one precision. ms: of a clip, p50. top1: percent, mean over seeds."""

    row: str
    precision: Precision
    ms: float
    top1: float

    @property
    def ours(self) -> bool:
        return ROWS[self.row].network.startswith("dense_gcn")


def points(times: dict[str, list[float]], rows: Sequence[str], dataset: str, see: Quality) -> list[Point]:
    """Those that were trained and timed. times: of network_latency.py."""
    found = []
    for row in rows:
        told = [result for run in finished(row, dataset, see) if (result := in_eight_bits(run)) is not None]
        for precision in ("FP32", "INT8"):
            took = times.get(f"{ROWS[row].network} | {precision} | own processor")
            if told and took is not None:
                top1 = mean(result.fp32 if precision == "FP32" else result.int8 for result in told)
                found.append(Point(row, precision, percentiles(took)[0], top1))
    return found


def better_training(found: Sequence[Point]) -> list[Point]:
    """Of a network that was trained in several ways, the one that is the most accurate in FP32."""
    best: dict[str, Point] = {}
    for point in found:
        network = ROWS[point.row].network
        if point.precision == "FP32" and (network not in best or point.top1 > best[network].top1):
            best[network] = point
    kept = {point.row for point in best.values()}
    return [point for point in found if point.row in kept]


def front(found: Sequence[Point]) -> list[Point]:
    """Points that no other is as fast as and more accurate, nor as accurate and faster; the fastest first."""
    ahead: list[Point] = []
    for point in sorted(found, key=lambda point: (point.ms, -point.top1)):
        if not ahead or point.top1 > ahead[-1].top1:
            ahead.append(point)
    return ahead
