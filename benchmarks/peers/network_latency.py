"""Time of one clip through every network and of one picture through the pose networks, by runtime, turn by turn.

    python -m benchmarks.peers.network_latency [--rounds N]

Turns of ten, as wherever networks are compared here: run by run each would find the caches full of the one before,
which costs the small ones a half of their time. One thread everywhere. Wall clock and processor time of the process.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from benchmarks import command_line
from benchmarks.peers.interleaved import interleaved, keep
from benchmarks.peers.network_files import Row, mobilenet_thin, peer_files, pose_files, student_files
from edge.assets import BLAZEPOSE_DETECTOR, BLAZEPOSE_LANDMARKS, fetch
from edge.contract.errors import MissingDependency
from edge.engines.engine import Engine
from edge.engines.registry import Runtime, open_engine
from edge.pose.blazepose_layers import landmark_layers

TURN, LEFT_OUT = 10, 2
RUNTIMES: dict[str, Runtime] = {"own": "auto", "OpenVINO": "openvino"}
"""own: ONNX Runtime for .onnx, LiteRT for .tflite."""
LANDMARKS_READ = "BlazePose landmarks, what is read"
"""As the loop runs them: of bytes, without mask and joints in metres, with joints refined."""


def ways(rows: list[Row]) -> tuple[dict[str, Callable[[], object]], dict[str, str]]:
    """NETWORK | PRECISION | RUNTIME -> a run of it, and what the engine calls itself."""
    found: dict[str, Callable[[], object]] = {}
    told: dict[str, str] = {}
    for name, precision, path in rows:
        for shown, runtime in RUNTIMES.items():
            try:
                engine = open_engine(
                    path, threads=1, runtime=runtime, rewrite=landmark_layers if name == LANDMARKS_READ else None
                )
            except MissingDependency:
                continue
            found[f"{name} | {precision} | {shown}"] = _run(engine)
            told[f"{name} | {precision} | {shown}"] = engine.describe()
    return found, told


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
        found, told = ways(rows)
        # A picture takes ten times as long as a clip, and needs fewer rounds for the same certainty.
        turns = rounds if section == "clips" else max(5, rounds // 4)
        times = interleaved(found, turns, in_a_row=TURN, left_out=LEFT_OUT)
        keep(
            f"latency_{section}",
            f"python -m benchmarks.peers.network_latency --rounds {rounds}",
            {"times": times, "engines": told},
        )


if __name__ == "__main__":
    command_line.run(main)
