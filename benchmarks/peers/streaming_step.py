"""One step of our stream against one step of the library continual-inference, with the same weights.

    python -m benchmarks.peers.streaming_step [--rounds N]

The candidates are those of benchmarks/streaming.py. They alternate in turns of ten cycles of four frames; the first two
cycles of a turn are discarded, because the caches then hold the previous candidate's data. "cold": 16 MB are read
before each call, that is, before each frame for whole clips and before each fourth for steps of 4 frames.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch

from benchmarks import command_line, streaming
from benchmarks.peers.environments import CONTINUAL, packages_of
from benchmarks.peers.interleaved import write_results
from benchmarks.streaming_peer import ContinualInference
from benchmarks.untrained import FRAMES, smooth_motion
from edge.contract.bundle import STUDENT_FP32, STUDENT_INT8
from edge.contract.types import Float32
from edge.engines.onnx_runtime import OnnxRuntimeEngine

WIDTH = 48
TURN, LEFT_OUT = 10, 2
"""Cycles of four frames in a turn, and how many of them are discarded."""
WARM_UP = 2
BETWEEN_BYTES = 16 << 20
"""Read before each call with cold caches, as a pose network would."""
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
    streaming.export(network, folder)
    candidates = streaming.candidates(folder)
    peer = ContinualInference.of(network, FRAMES // streaming.CYCLE)
    assert peer is not None, "packages_of has installed it"
    candidates.append(streaming.Candidate(f"continual-inference {peer.version}, PyTorch", "fp32", peer, 1))
    clip = {"clip": smooth_motion()}
    # A clip runs for every frame, four times per cycle.
    for precision, file in (("fp32", STUDENT_FP32), ("int8", STUDENT_INT8)):
        run_clip = partial(_clip, OnnxRuntimeEngine(folder / file, threads=1), clip)
        candidates.insert(0, streaming.Candidate(f"whole clip, {precision.upper()}", precision, run_clip, 1))
    other = np.ones(BETWEEN_BYTES // 8)
    before: dict[str, Callable[[], object]] = {"warm": lambda: None, "cold": other.sum}
    figures: dict[str, list[float]] = {}
    turns = np.split(smooth_motion(streaming.CYCLE * TURN * (WARM_UP + rounds)), WARM_UP + rounds, axis=2)
    with torch.inference_mode():
        for number, turn in enumerate(turns):
            for kind in KINDS:
                for candidate in candidates:
                    took = cycles(candidate, turn, before[kind])
                    for clock, ms in took.items() if number >= WARM_UP else ():
                        figures.setdefault(f"{candidate.name} | {kind} | {clock}", []).append(ms)
    found = {"times": figures, "precisions": {candidate.name: candidate.precision for candidate in candidates}}
    write_results("streaming", f"python -m benchmarks.peers.streaming_step --rounds {rounds}", found)


def _clip(engine: OnnxRuntimeEngine, clip: dict[str, Float32], _frame: Float32) -> object:
    return engine.run(clip)


def cycles(candidate: streaming.Candidate, turn: Float32, between: Callable[[], object]) -> dict[str, float]:
    """Milliseconds per frame of the steps alone, by clock: mean over a turn without its first LEFT_OUT cycles."""
    took: dict[str, list[float]] = {clock: [] for clock in CLOCKS}
    for chunk in np.split(turn, TURN, axis=2):
        frames, spent = chunk.shape[2], dict.fromkeys(CLOCKS, 0.0)
        for part in np.split(chunk, frames // candidate.frames, axis=2):
            given = np.ascontiguousarray(part)
            between()
            began = {name: clock() for name, clock in CLOCKS.items()}
            candidate.step(given)
            for name, clock in CLOCKS.items():
                spent[name] += clock() - began[name]
        for name, seconds in spent.items():
            took[name].append(1e3 * seconds / frames)
    return {name: float(np.mean(ms[LEFT_OUT:])) for name, ms in took.items()}


if __name__ == "__main__":
    command_line.run(main)
