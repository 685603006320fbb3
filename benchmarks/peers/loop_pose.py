"""Our loop over a clip, in a process of its own as its peer is: capture, pose, tracker, student, nothing drawn.

    python -m benchmarks.peers.loop_pose CLIP SEARCH_EVERY_S THREADS ENGINE

Prints one line of JSON as mediapipe_pose.py does. took_ms: from one result to the next.
"""

from __future__ import annotations

import itertools
import json
import sys
import time
from pathlib import Path

from edge.bench.loop_run import loop_run
from edge.contract.types import FrameResult
from edge.engines.registry import Runtime
from edge.machine import machine
from edge.pose.registry import PoseConfig
from edge.recogniser import RecogniserConfig
from edge.run import RunConfig

BUNDLE = Path("bundles/everyday")


def main() -> None:
    clip, search_every_s, threads, engine = sys.argv[1:]
    runtime: Runtime = "openvino" if engine == "openvino" else "auto"
    config = RunConfig(
        source=clip,
        bundle=BUNDLE,
        pose=PoseConfig(threads=int(threads), max_people=1, search_every_s=float(search_every_s), engine=runtime),
        recogniser=RecogniserConfig(threads=int(threads)),
    )
    moments: list[float] = []
    seen: list[bool] = []

    def told(result: FrameResult) -> None:
        moments.append(time.perf_counter())
        processor.append(time.process_time())
        seen.append(bool(result.poses))

    processor: list[float] = []
    run = loop_run(config, 10, told)
    print(
        json.dumps(
            {
                "version": f"skd-edge {machine()['versions']['skd-edge']}, {run.parts['pose']}",
                "took_ms": [1000 * (b - a) for a, b in itertools.pairwise(moments)],
                "seconds": run.seconds,
                "processor_s": processor[-1] - processor[0],
                "seen": sum(seen),
                "stages": {name: [row.p50_ms, row.p90_ms, row.p50_ms * row.frames] for name, row in run.stages.items()},
            }
        )
    )


if __name__ == "__main__":
    main()
