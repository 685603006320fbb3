"""Accuracy against latency: the points of every row, and the Pareto front."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import mean
from typing import Literal

from benchmarks.peers.int8_result import read_int8_result
from benchmarks.peers.interleaved import percentiles
from benchmarks.peers.trainings import ROWS, Quality, finished

Precision = Literal["FP32", "INT8"]

DATASETS = {"penn_action": "Penn Action", "utd_mhad": "UTD-MHAD"}
QUALITIES: tuple[Quality, ...] = ("hq", "lq")


@dataclass(frozen=True)
class Point:
    """A row in one precision. ms: p50 per clip. top1: percent, mean over seeds."""

    row: str
    precision: Precision
    ms: float
    top1: float

    @property
    def ours(self) -> bool:
        return ROWS[self.row].network.startswith("dense_gcn")


def points(times: dict[str, list[float]], rows: Sequence[str], dataset: str, see: Quality) -> list[Point]:
    """Points of the rows that were trained and timed. times: from network_latency.py."""
    found = []
    for row in rows:
        results = [result for run in finished(row, dataset, see) if (result := read_int8_result(run)) is not None]
        for precision in ("FP32", "INT8"):
            took = times.get(f"{ROWS[row].network} | {precision} | own processor")
            if results and took is not None:
                top1 = mean(result.fp32 if precision == "FP32" else result.int8 for result in results)
                found.append(Point(row, precision, percentiles(took)[0], top1))
    return found


def better_training(found: Sequence[Point]) -> list[Point]:
    """For each network only the training that is the most accurate in FP32."""
    best: dict[str, Point] = {}
    for point in found:
        network = ROWS[point.row].network
        if point.precision == "FP32" and (network not in best or point.top1 > best[network].top1):
            best[network] = point
    kept = {point.row for point in best.values()}
    return [point for point in found if point.row in kept]


def pareto_front(found: Sequence[Point]) -> list[Point]:
    """Points that no other point dominates in time and accuracy; the fastest first."""
    front: list[Point] = []
    for point in sorted(found, key=lambda point: (point.ms, -point.top1)):
        if not front or point.top1 > front[-1].top1:
            front.append(point)
    return front
