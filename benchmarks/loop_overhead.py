"""Time that the loop spends outside its networks, per frame: pose stage, tracker, clips, decisions.

    nice -n -15 python -m benchmarks.loop_overhead CLIP... [--pose tf_pose --network FILE]

The stages run one after the other on one thread, and so do the networks, so that no time is spent waiting for another
thread. Reading the video is not included; drawing is listed separately.
"""

from __future__ import annotations

import time
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks import command_line
from edge.capture.registry import open_source
from edge.contract.bundle import read_bundle
from edge.drawing.overlay import Overlay
from edge.latency import NETWORKS, OUTSIDE, POSE
from edge.loop.action_stage import ActionStage
from edge.loop.pose_stage import EstimatorStage
from edge.loop.restarts import Restartable, RestartConfig
from edge.pose.registry import PoseConfig, open_estimator
from edge.recognition.decisions import DecisionConfig
from edge.recognition.recogniser import RecogniserConfig, open_recogniser
from edge.tracking.tracker import Tracker

BUNDLE = Path(__file__).parents[1] / "bundles" / "everyday"
WARM_UP, FRAMES = 10, 200


def figures(clip: Path, pose: PoseConfig) -> list[float]:
    """Median ms per frame: outside the networks, inside, the pose stage's share of outside, the rest, drawing."""
    bundle = read_bundle(BUNDLE)
    estimator = EstimatorStage(Restartable("pose", lambda: open_estimator(pose), RestartConfig(), print))
    student = Restartable(
        "action", lambda: open_recogniser(bundle, RecogniserConfig(threads=1)), RestartConfig(), print
    )
    action = ActionStage(bundle, estimator.layout, Tracker(estimator.layout), student, DecisionConfig())
    overlay, rows = Overlay(estimator.layout), []
    for frame in islice(open_source(str(clip)), FRAMES):
        pose_result = estimator.estimate(frame)
        result = action.process(pose_result)
        start = time.perf_counter()
        overlay.draw(result)
        draw_ms = 1000 * (time.perf_counter() - start)
        ms = result.latency_ms
        pose_ms = ms[POSE] - 1000 * pose_result.network_s
        rows.append((ms[OUTSIDE], ms[NETWORKS], pose_ms, ms[OUTSIDE] - pose_ms, draw_ms))
    return [float(value) for value in np.median(rows[WARM_UP:], axis=0)]


def main() -> None:
    default = PoseConfig()
    parser = command_line.parser("benchmarks.loop_overhead", __doc__)
    parser.add_argument("clips", nargs="+", type=Path, metavar="CLIP")
    parser.add_argument("--pose", default=default.name, help="name of the pose estimator (default: %(default)s)")
    parser.add_argument("--network", type=Path, metavar="FILE", help="its network file, if it needs one")
    given = parser.parse_args()
    pose = PoseConfig(name=given.pose, network=given.network, threads=1)
    cv2.setNumThreads(1)
    table = Table("clip", "outside ms", "networks ms", "outside %", "pose's ms", "others' ms", "drawing ms")
    for clip in given.clips:
        outside, networks, pose_ms, rest_ms, draw_ms = figures(clip, pose)
        shares = (f"{ms:.2f}" for ms in (pose_ms, rest_ms, draw_ms))
        table.add_row(clip.name, f"{outside:.2f}", f"{networks:.2f}", f"{100 * outside / networks:.1f}", *shares)
    Console(width=120).print(table)


if __name__ == "__main__":
    command_line.run(main)
