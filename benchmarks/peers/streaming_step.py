"""A step of our stream against a step of the library continual-inference, with the same weights; (b) of the page.

    python -m benchmarks.peers.streaming_step [--rounds N]

The ways, and what they are equal to, are those of benchmarks/streaming.py.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import numpy as np
import torch

from benchmarks.peers.environments import CONTINUAL, packages_of
from benchmarks.peers.interleaved import keep
from edge.engines.onnx_runtime import OnnxRuntimeEngine

WIDTH = 48
WARM_UP = 5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=60)
    rounds = parser.parse_args().rounds
    # streaming.py is a script beside its own parts; the library runs on this environment's PyTorch.
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    sys.path.append(str(packages_of(CONTINUAL).resolve()))
    import streaming  # type: ignore[import-not-found]

    torch.set_num_threads(1)
    network, folder = streaming.student(WIDTH), Path("runs/streaming") / str(WIDTH)
    streaming.make(network, folder)
    ways = streaming.ways(folder)
    peer = streaming.ContinualInference.of(network, streaming.FRAMES // streaming.CYCLE)
    ways.append(streaming.Way(f"continual-inference {peer.version}, PyTorch", "fp32", peer, 1))
    clip = {"clip": streaming.walk(streaming.FRAMES)}
    # A clip is asked at every frame, and so four times a cycle.
    for precision in ("fp32", "int8"):
        engine = OnnxRuntimeEngine(folder / streaming.STUDENTS[precision], threads=1)
        ways.insert(0, streaming.Way(f"whole clip, {precision.upper()}", precision, lambda _, e=engine: e.run(clip), 1))
    clocks = {"wall": time.perf_counter, "processor": time.process_time}
    times: dict[str, list[float]] = {f"{way.name} {clock}": [] for way in ways for clock in clocks}
    with torch.inference_mode():
        for chunk in np.split(streaming.walk(streaming.CYCLE * (rounds + WARM_UP)), rounds + WARM_UP, axis=2):
            for way in ways:
                parts = [np.ascontiguousarray(part) for part in np.split(chunk, streaming.CYCLE // way.frames, axis=2)]
                began = {name: clock() for name, clock in clocks.items()}
                for part in parts:
                    way.take(part)
                for name, clock in clocks.items():
                    times[f"{way.name} {name}"].append(1e3 * (clock() - began[name]) / streaming.CYCLE)
    figures = {name: values[WARM_UP:] for name, values in times.items()}
    keep("streaming", f"python -m benchmarks.peers.streaming_step --rounds {rounds}", {"times": figures})


if __name__ == "__main__":
    main()
