"""A step of our stream against a step of the library continual-inference, with the same weights; (b) of the page.

    python -m benchmarks.peers.streaming_step [--rounds N]

The ways, and what they are equal to, are those of benchmarks/streaming.py.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
import torch

from benchmarks.peers.environments import CONTINUAL, packages_of
from benchmarks.peers.interleaved import keep

WIDTH = 48


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=60)
    rounds = parser.parse_args().rounds
    # streaming.py is a script beside its own parts; the library runs on this environment's PyTorch.
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    sys.path.append(str(packages_of(CONTINUAL).resolve()))
    import streaming  # type: ignore[import-not-found]

    torch.set_num_threads(1)
    network = streaming.student(WIDTH)
    measured = streaming.ways(network, Path("runs/streaming") / str(WIDTH))
    with torch.inference_mode():
        peer = streaming.ContinualInference.of(network, streaming.FRAMES // streaming.CYCLE)
        measured.append(streaming.Way(f"continual-inference {peer.version}, PyTorch", peer, 1))
        chunks = np.split(streaming.walk(streaming.CYCLE * (rounds + 5)), rounds + 5, axis=2)
        for chunk in chunks:
            for way in measured:
                way.run(chunk)
    times = {}
    for way in measured:
        per_chunk = streaming.CYCLE // way.frames
        for clock, values in (("wall", way.wall), ("processor", way.processor)):
            # A round is a cycle of four frames; its time a frame.
            cycles = np.array(values).reshape(-1, per_chunk).sum(axis=1)[5:] / streaming.CYCLE
            times[f"{way.name} {clock}"] = cycles.tolist()
    keep("streaming", f"python -m benchmarks.peers.streaming_step --rounds {rounds}", {"times": times})


if __name__ == "__main__":
    main()
