"""The loop's largest costs: processor time of every function's own code, with all stages on one thread.

    python -m benchmarks.peers.costs

On several threads the stages would share caches and cores, and their costs could not be separated.
"""

from __future__ import annotations

import cProfile
import itertools
import pstats
import time
from pathlib import Path
from typing import Any

import cv2

from benchmarks import command_line
from benchmarks.peers.interleaved import write_results
from edge.assets import DEMO_CLIP, fetch
from edge.loop.config import RunConfig
from edge.loop.parts import open_parts
from edge.pose.registry import PoseConfig
from edge.recognition.recogniser import RecogniserConfig

ROOT = Path(__file__).parents[2]
BUNDLE = Path("bundles/everyday")
WARM_UP_FRAMES = 10
SHOWN = 14

Stats = dict[tuple[str, int, str], tuple[int, int, float, float, Any]]
"""As pstats has it: (file, line, function) -> primitive calls, calls, own seconds, cumulative seconds, callers."""


def main() -> None:
    command_line.parser("benchmarks.peers.costs", __doc__).parse_args()
    cv2.setNumThreads(1)
    (clip,) = fetch(DEMO_CLIP)
    config = RunConfig(
        source=str(clip), bundle=BUNDLE, pose=PoseConfig(threads=1), recogniser=RecogniserConfig(threads=1)
    )
    profile = cProfile.Profile(time.thread_time)
    with open_parts(config) as parts:
        frames = iter(parts.source)
        for frame in itertools.islice(frames, WARM_UP_FRAMES):
            parts.action.process(parts.pose.estimate(frame))
        count = 0
        profile.enable()
        for frame in frames:
            parts.action.process(parts.pose.estimate(frame))
            count += 1
        profile.disable()
        descriptions = parts.describe()
    stats: Stats = pstats.Stats(profile).stats  # type: ignore[attr-defined]
    total = sum(own for _, _, own, _, _ in stats.values())
    rows: list[dict[str, Any]] = [
        {"function": _name(file, line, name), "calls": calls / count, "ms": 1000 * own / count, "share": own / total}
        for (file, line, name), (_, calls, own, _, _) in stats.items()
    ]
    rows.sort(key=lambda row: -row["ms"])
    found = {
        "clip": clip.name, "pictures": count, "ms": 1000 * total / count, "parts": descriptions, "rows": rows[:SHOWN],
    }  # fmt: skip
    write_results("costs", "python -m benchmarks.peers.costs", found)


def _name(file: str, line: int, name: str) -> str:
    """For example "cv2.warpAffine", or "edge/pose/crop.py warp"."""
    if file == "~":
        return name.strip("<>").removeprefix("built-in method ").removeprefix("method ")
    path = Path(file)
    # Paths relative to the project; of other packages the last three parts.
    shown = path.relative_to(ROOT) if path.is_relative_to(ROOT) else Path(*path.parts[-3:])
    return f"{shown} {name}" if line else name


if __name__ == "__main__":
    command_line.run(main)
