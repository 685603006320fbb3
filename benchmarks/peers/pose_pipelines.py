"""MediaPipe's own pipeline against our loop: same weights, same clip, same cores, turn by turn.

    python -m benchmarks.peers.pose_pipelines [--clip FILE] [--rounds N]

Both follow one person with pose_landmark_full at one thread a network, which is what MediaPipe's Python package has on
Linux and lets nobody change. MediaPipe runs its detector when it has lost the person; our loop by default every half a
second, and in every picture where it is asked to. Ours does more besides: tracker, clips, student, decisions.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path
from typing import Any

from benchmarks.peers.environments import MEDIAPIPE, answer, environment
from benchmarks.peers.interleaved import keep
from edge.assets import DEMO_CLIP, fetch

SCRIPT = Path(__file__).with_name("mediapipe_pose.py")

OURS = {
    "our loop": [],
    "our loop, OpenVINO": ["--engine", "openvino"],
    "our loop, detector in every frame": ["--search_every_s", "0"],
}
"""How loop_pose.py is asked for each."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clip", type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    clip = given.clip or fetch(DEMO_CLIP)[0]
    python = environment(MEDIAPIPE)
    rows: dict[str, list[dict[str, Any]]] = {}
    for _ in range(given.rounds):
        rows.setdefault("MediaPipe", []).append(_short(answer([str(python), str(SCRIPT), str(clip)])))
        for name, flags in OURS.items():
            ours = [sys.executable, "-m", "benchmarks.peers.loop_pose", str(clip), *flags]
            try:
                rows.setdefault(name, []).append(_short(answer(ours)))
            except subprocess.CalledProcessError as error:
                rows[name] = [{"failed": error.stderr.splitlines()[-1]}]
        keep(
            "pose_pipelines",
            f"python -m benchmarks.peers.pose_pipelines --rounds {given.rounds}",
            {"clip": clip.name, "rows": rows},
        )


def _short(run: dict[str, Any]) -> dict[str, Any]:
    """Without the first ten pictures, in which networks are warmed up."""
    took: list[float] = run.pop("took_ms")
    steady = took[10:]
    return run | {"pictures": len(took), "steady_ms": steady, "frames_per_s": 1000 * len(steady) / sum(steady)}


if __name__ == "__main__":
    main()
