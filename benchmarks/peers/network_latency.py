"""Latency of one clip in every student network and of one image in the pose networks, by runtime.

    python -m benchmarks.peers.network_latency [--rounds N]

Networks alternate in turns of ten runs: in turns of one, each would find the caches full of the previous one's data,
which costs small networks half of their time. One thread. Wall clock and processor time of the process.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from benchmarks import command_line
from benchmarks.peers.interleaved import interleaved, write_results
from benchmarks.peers.network_files import Row, mobilenet_thin, peer_files, pose_files, student_files
from edge.assets import BLAZEPOSE_DETECTOR, BLAZEPOSE_LANDMARKS, fetch
from edge.contract.errors import MissingDependency
from edge.engines.engine import Engine
from edge.engines.registry import Runtime, open_engine
from edge.pose.blazepose_layers import landmark_layers

REPEATS, DISCARD = 10, 2
RUNTIMES: dict[str, Runtime] = {"own": "auto", "OpenVINO": "openvino"}
"""own: ONNX Runtime for .onnx, LiteRT for .tflite."""
LANDMARKS_READ = "BlazePose landmarks, what is read"
"""As the loop runs the network: uint8 input, without mask and joints in metres, with refined joints."""


def candidates(rows: list[Row]) -> tuple[dict[str, Callable[[], object]], dict[str, str]]:
    """NETWORK | PRECISION | RUNTIME -> a function that runs it, and the engine's description."""
    found: dict[str, Callable[[], object]] = {}
    descriptions: dict[str, str] = {}
    for name, precision, path in rows:
        for shown, runtime in RUNTIMES.items():
            try:
                engine = open_engine(
                    path, threads=1, runtime=runtime, rewrite=landmark_layers if name == LANDMARKS_READ else None
                )
            except MissingDependency:
                continue
            found[f"{name} | {precision} | {shown}"] = _run(engine)
            descriptions[f"{name} | {precision} | {shown}"] = engine.describe()
    return found, descriptions


def _run(engine: Engine) -> Callable[[], object]:
    rng = np.random.default_rng(0)
    given = {}
    for spec in engine.inputs:
        values = rng.random([n or 1 for n in spec.shape])
        given[spec.name] = (255 * values if spec.dtype == np.uint8 else values).astype(spec.dtype)
    return lambda: engine.run(given)


def main() -> None:
    parser = command_line.parser("benchmarks.peers.network_latency", __doc__)
    parser.add_argument("--rounds", type=int, default=60)
    rounds = parser.parse_args().rounds
    detector, landmarks = fetch(BLAZEPOSE_DETECTOR, BLAZEPOSE_LANDMARKS)
    blazepose = {"BlazePose detector": detector, "BlazePose landmarks": landmarks, LANDMARKS_READ: landmarks}
    sets: dict[str, list[Row]] = {
        "clips": [*student_files(), *peer_files()],
        "pictures": [
            *pose_files(),
            ("MobileNet-thin", "FP32", mobilenet_thin()),
            *((name, "FP32", path) for name, path in blazepose.items()),
        ],
    }
    for section, rows in sets.items():
        found, descriptions = candidates(rows)
        # A pose network takes ten times as long as a student, and needs fewer rounds for the same precision.
        turns = rounds if section == "clips" else max(5, rounds // 4)
        times = interleaved(found, turns, repeats=REPEATS, discard=DISCARD)
        write_results(
            f"latency_{section}",
            f"python -m benchmarks.peers.network_latency --rounds {rounds}",
            {"times": times, "engines": descriptions},
        )


if __name__ == "__main__":
    command_line.run(main)
