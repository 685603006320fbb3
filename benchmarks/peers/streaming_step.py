"""A step of our stream against a step of the library continual-inference, with the same weights; (b) of the page.

    python -m benchmarks.peers.streaming_step [--rounds N]

The ways, and what they are equal to, are those of benchmarks/streaming.py. Each takes turns of ten cycles of four
frames, for the threads of one runtime, and what it reads, drive the next one's out of the caches; the first two of a
turn, which find them so, are left out. "cold": 16 MB are read before each call, so for whole clips at each frame and
for steps of 4 frames at each fourth.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks import command_line, streaming
from benchmarks.peers.environments import CONTINUAL, packages_of
from benchmarks.peers.interleaved import keep
from benchmarks.streaming_peer import ContinualInference
from edge.contract.bundle import STUDENT_FP32, STUDENT_INT8
from edge.contract.types import Float32
from edge.engines.onnx_runtime import OnnxRuntimeEngine

WIDTH = 48
TURN, LEFT_OUT = 10, 2
"""Cycles of four frames in a row before the next way has its turn, and how many of them do not count."""
WARM_UP = 2
BETWEEN_BYTES = 16 << 20
"""Read before each call that is to find cold caches, as a pose network would."""
KINDS = ("warm", "cold")
CLOCKS = {"wall": time.perf_counter, "processor": time.process_time}


def main() -> None:
    parser = command_line.parser("benchmarks.peers.streaming_step", __doc__)
    parser.add_argument("--rounds", type=int, default=30)
    rounds = parser.parse_args().rounds
    # The library runs on this environment's PyTorch.
    sys.path.append(str(packages_of(CONTINUAL).resolve()))
    torch.set_num_threads(1)
    network, folder = streaming.student(WIDTH), Path("runs/streaming") / str(WIDTH)
    streaming.make(network, folder)
    ways = streaming.ways(folder)
    peer = ContinualInference.of(network, streaming.FRAMES // streaming.CYCLE)
    assert peer is not None, "packages_of has installed it"
    ways.append(streaming.Way(f"continual-inference {peer.version}, PyTorch", "fp32", peer, 1))
    clip = {"clip": streaming.walk(streaming.FRAMES)}
    # A clip is asked at every frame, and so four times a cycle.
    for precision, file in (("fp32", STUDENT_FP32), ("int8", STUDENT_INT8)):
        take = partial(_clip, OnnxRuntimeEngine(folder / file, threads=1), clip)
        ways.insert(0, streaming.Way(f"whole clip, {precision.upper()}", precision, take, 1))
    other = np.ones(BETWEEN_BYTES // 8)
    before: dict[str, Callable[[], object]] = {"warm": lambda: None, "cold": other.sum}
    figures: dict[str, list[float]] = {}
    turns = np.split(streaming.walk(streaming.CYCLE * TURN * (WARM_UP + rounds)), WARM_UP + rounds, axis=2)
    with torch.inference_mode():
        for number, turn in enumerate(turns):
            for kind in KINDS:
                for way in ways:
                    took = cycles(way, turn, before[kind])
                    for clock, ms in took.items() if number >= WARM_UP else ():
                        figures.setdefault(f"{way.name} | {kind} | {clock}", []).append(ms)
    found = {"times": figures, "precisions": {way.name: way.precision for way in ways}}
    keep("streaming", f"python -m benchmarks.peers.streaming_step --rounds {rounds}", found)


def _clip(engine: OnnxRuntimeEngine, clip: dict[str, Float32], _frame: Float32) -> object:
    return engine.run(clip)


def cycles(way: Any, turn: Float32, between: Callable[[], object]) -> dict[str, float]:
    """Milliseconds a frame by each clock, of the calls alone: the mean over a turn's cycles but the first LEFT_OUT."""
    took: dict[str, list[float]] = {clock: [] for clock in CLOCKS}
    for chunk in np.split(turn, TURN, axis=2):
        frames, spent = chunk.shape[2], dict.fromkeys(CLOCKS, 0.0)
        for part in np.split(chunk, frames // way.frames, axis=2):
            given = np.ascontiguousarray(part)
            between()
            began = {name: clock() for name, clock in CLOCKS.items()}
            way.take(given)
            for name, clock in CLOCKS.items():
                spent[name] += clock() - began[name]
        for name, seconds in spent.items():
            took[name].append(1e3 * seconds / frames)
    return {name: float(np.mean(ms[LEFT_OUT:])) for name, ms in took.items()}


if __name__ == "__main__":
    command_line.run(main)
