"""MediaPipe's own pipeline against our loop, in alternation: same weights, same clip, same cores.

    python -m benchmarks.peers.pose_pipelines [--clip FILE] [--rounds N]

Both track one person with pose_landmark_full at one thread per network, which MediaPipe's Python package fixes on
Linux. MediaPipe runs its detector after losing the person; our loop every half second by default, and in one row in
every frame. Our loop also runs tracker, clips, student and decisions. MediaPipe's newer interface, PoseLandmarker, gets
the same two networks as a .task file.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

from benchmarks import command_line
from benchmarks.peers.environments import MEDIAPIPE, MEDIAPIPE_TASKS, environment, run_json
from benchmarks.peers.interleaved import write_results
from edge.assets import BLAZEPOSE_DETECTOR, BLAZEPOSE_LANDMARKS, DEMO_CLIP, fetch

SCRIPT, BUNDLER = (Path(__file__).with_name(name) for name in ("mediapipe_pose.py", "mediapipe_bundle.py"))
BUNDLE = Path("runs/peers/networks/blazepose_full.task")

OURS = {
    "our loop": [],
    "our loop, OpenVINO": ["--engine", "openvino"],
    "our loop, detector in every frame": ["--search_every_s", "0"],
}
"""Flags of loop_pose.py for each."""


def main() -> None:
    parser = command_line.parser("benchmarks.peers.pose_pipelines", __doc__)
    parser.add_argument("--clip", type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    clip = given.clip or fetch(DEMO_CLIP)[0]
    commands = {**_mediapipe(clip), **{name: [*_LOOP, str(clip), *flags] for name, flags in OURS.items()}}
    rows: dict[str, list[dict[str, Any]]] = {}
    for _ in range(given.rounds):
        for name, command in commands.items():
            try:
                rows.setdefault(name, []).append(_without_warm_up(run_json(command)))
            except subprocess.CalledProcessError as error:
                rows[name] = [{"failed": error.stderr.splitlines()[-1]}]
        write_results(
            "pose_pipelines",
            f"python -m benchmarks.peers.pose_pipelines --rounds {given.rounds}",
            {"clip": clip.name, "rows": rows},
        )


_LOOP = (sys.executable, "-m", "benchmarks.peers.loop_pose")


def _mediapipe(clip: Path) -> dict[str, list[str]]:
    """Commands for both interfaces; packs the networks for the newer one."""
    older, newer = str(environment(MEDIAPIPE)), str(environment(MEDIAPIPE_TASKS))
    BUNDLE.parent.mkdir(parents=True, exist_ok=True)
    networks = [str(path) for path in fetch(BLAZEPOSE_DETECTOR, BLAZEPOSE_LANDMARKS)]
    subprocess.run([older, str(BUNDLER), *networks, str(BUNDLE)], check=True)
    script = [str(SCRIPT), str(clip)]
    return {
        "MediaPipe 0.10.21, Pose": [older, *script],
        "MediaPipe 1.2.3, PoseLandmarker": [newer, *script, str(BUNDLE)],
    }


def _without_warm_up(run: dict[str, Any]) -> dict[str, Any]:
    """Without the first ten frames."""
    took: list[float] = run.pop("took_ms")
    steady = took[10:]
    return run | {"pictures": len(took), "steady_ms": steady, "frames_per_s": 1000 * len(steady) / sum(steady)}


if __name__ == "__main__":
    command_line.run(main)
