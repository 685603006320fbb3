"""MediaPipe's own pipeline against our loop: same weights, same clip, same cores, turn by turn.

    python -m benchmarks.peers.pose_pipelines [--clip FILE] [--rounds N]

Both follow one person with pose_landmark_full at one thread a network, which is what MediaPipe's Python package has on
Linux and lets nobody change. MediaPipe runs its detector when it has lost the person; our loop by default every half a
second, and in every picture where it is asked to. Ours does more besides: tracker, clips, student, decisions.
MediaPipe's newer interface, PoseLandmarker, is given the same two networks as a .task file.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

from benchmarks import command_line
from benchmarks.peers.environments import MEDIAPIPE, MEDIAPIPE_TASKS, answer, environment
from benchmarks.peers.interleaved import keep
from edge.assets import BLAZEPOSE_DETECTOR, BLAZEPOSE_LANDMARKS, DEMO_CLIP, fetch

SCRIPT, BUNDLER = (Path(__file__).with_name(name) for name in ("mediapipe_pose.py", "mediapipe_bundle.py"))
BUNDLE = Path("runs/peers/networks/blazepose_full.task")

OURS = {
    "our loop": [],
    "our loop, OpenVINO": ["--engine", "openvino"],
    "our loop, detector in every frame": ["--search_every_s", "0"],
}
"""How loop_pose.py is asked for each."""


def main() -> None:
    parser = command_line.parser("benchmarks.peers.pose_pipelines", __doc__)
    parser.add_argument("--clip", type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    clip = given.clip or fetch(DEMO_CLIP)[0]
    ways = {**_mediapipe(clip), **{name: [*_LOOP, str(clip), *flags] for name, flags in OURS.items()}}
    rows: dict[str, list[dict[str, Any]]] = {}
    for _ in range(given.rounds):
        for name, command in ways.items():
            try:
                rows.setdefault(name, []).append(_short(answer(command)))
            except subprocess.CalledProcessError as error:
                rows[name] = [{"failed": error.stderr.splitlines()[-1]}]
        keep(
            "pose_pipelines",
            f"python -m benchmarks.peers.pose_pipelines --rounds {given.rounds}",
            {"clip": clip.name, "rows": rows},
        )


_LOOP = (sys.executable, "-m", "benchmarks.peers.loop_pose")


def _mediapipe(clip: Path) -> dict[str, list[str]]:
    """The commands of both interfaces, the newer one's networks packed first."""
    older, newer = str(environment(MEDIAPIPE)), str(environment(MEDIAPIPE_TASKS))
    BUNDLE.parent.mkdir(parents=True, exist_ok=True)
    networks = [str(path) for path in fetch(BLAZEPOSE_DETECTOR, BLAZEPOSE_LANDMARKS)]
    subprocess.run([older, str(BUNDLER), *networks, str(BUNDLE)], check=True)
    script = [str(SCRIPT), str(clip)]
    return {
        "MediaPipe 0.10.21, Pose": [older, *script],
        "MediaPipe 1.2.3, PoseLandmarker": [newer, *script, str(BUNDLE)],
    }


def _short(run: dict[str, Any]) -> dict[str, Any]:
    """Without the first ten pictures, in which networks are warmed up."""
    took: list[float] = run.pop("took_ms")
    steady = took[10:]
    return run | {"pictures": len(took), "steady_ms": steady, "frames_per_s": 1000 * len(steady) / sum(steady)}


if __name__ == "__main__":
    command_line.run(main)
