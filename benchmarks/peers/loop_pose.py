"""Run our loop over a clip in its own process, as its peers run: capture, pose, tracker, student, no drawing.

    python -m benchmarks.peers.loop_pose CLIP [--search_every_s S] [--engine openvino]
        [--pose tf_pose --network FILE --crop]

One person, one thread per network. Prints one line of JSON as mediapipe_pose.py does. took_ms: from one result to the
next, so there is none for the first. seen: number of these results with somebody in view.
"""

from __future__ import annotations

import itertools
import json
import time
from pathlib import Path

from benchmarks import command_line
from edge.bench.loop_run import loop_run
from edge.contract.types import FrameResult
from edge.loop.config import RunConfig
from edge.machine import machine
from edge.pose.registry import PoseConfig
from edge.recognition.recogniser import RecogniserConfig

BUNDLE = Path("bundles/everyday")


def main() -> None:
    default = PoseConfig()
    parser = command_line.parser("benchmarks.peers.loop_pose", __doc__)
    parser.add_argument("clip")
    parser.add_argument("--search_every_s", type=float, default=default.search_every_s)
    parser.add_argument("--engine", choices=("auto", "openvino"), default=default.engine)
    parser.add_argument("--pose", default=default.name)
    parser.add_argument("--network", type=Path)
    parser.add_argument("--crop", action="store_true")
    given = parser.parse_args()
    config = RunConfig(
        source=given.clip,
        bundle=BUNDLE,
        pose=PoseConfig(
            name=given.pose, network=given.network, threads=1, max_people=1, search_every_s=given.search_every_s,
            engine=given.engine, crop=given.crop,
        ),
        recogniser=RecogniserConfig(threads=1),
    )  # fmt: skip
    times: list[float] = []
    processor: list[float] = []
    seen: list[bool] = []

    def record(result: FrameResult) -> None:
        times.append(time.perf_counter())
        processor.append(time.process_time())
        seen.append(bool(result.poses))

    run = loop_run(config, 10, record)
    print(
        json.dumps(
            {
                "version": f"skd-edge {machine()['versions']['skd-edge']}, {run.parts['pose']}",
                "took_ms": [1000 * (b - a) for a, b in itertools.pairwise(times)],
                "seconds": run.outcome.seconds,
                "processor_s": processor[-1] - processor[0],
                "seen": sum(seen[1:]),
                "stages": {name: [row.p50_ms, row.p90_ms] for name, row in run.stages.items()},
            }
        )
    )


if __name__ == "__main__":
    command_line.run(main)
