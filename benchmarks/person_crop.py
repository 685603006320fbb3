"""Does it pay to cut the picture around each person before a network of heatmaps sees it?

    python -m benchmarks.person_crop NETWORK.onnx CLIP...

NETWORK: of tf-pose's family. BlazePose, which looks at each person from nearby, is the yardstick: no truth, but
another network. found: part of its people that overlap with a body of the network. joints: part of their shoulders,
elbows, wrists, hips, knees and ankles that the network places within a fifth of the trunk's length of BlazePose's; a
joint of a person who was not found is missed. strangers: bodies a picture that BlazePose does not see. runs: of the
network, a picture.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks import command_line
from calibrate.recording_engine import RecordingEngine
from edge.capture.registry import open_source
from edge.contract.box import Box, bounding_box
from edge.contract.layouts import layout
from edge.contract.types import Frame, Pose
from edge.engines.registry import open_engine
from edge.pose.estimator import PoseEstimator
from edge.pose.following_crop import FollowingCrop
from edge.pose.heatmap_estimator import HeatmapEstimator
from edge.pose.heatmap_peaks import MIN_PEAK
from edge.pose.pose_network import TF_POSE
from edge.pose.registry import PoseConfig, open_estimator

SIDES, LIMBS = ("left", "right"), ("shoulder", "elbow", "wrist", "hip", "knee", "ankle")
JOINTS = tuple(f"{side}_{limb}" for limb in LIMBS for side in SIDES)
MAX_PEOPLE, FRAMES, NEAR, SURE = 5, 60, 0.2, 0.8
SEARCH_EVERY_S = 0.5
SAME_PERSON = 0.3
"""Intersection over union of the boxes around two bodies' joints."""


@dataclass(frozen=True)
class Found:
    """Parts, 0..1; strangers and runs a picture; ms: wall milliseconds a picture, the median.

    height: of BlazePose's bodies as part of the picture's, the median.
    """

    found: float
    joints: float
    strangers: float
    runs: float
    ms: float
    height: float


def overlap(a: Box, b: Box) -> float:
    """Intersection over union of two boxes."""
    width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    shared = max(width, 0.0) * max(height, 0.0)
    both = sum((right - left) * (bottom - top) for left, top, right, bottom in (a, b))
    return shared / (both - shared) if shared else 0.0


def judged(estimator: PoseEstimator, engine: RecordingEngine, frames: list[Frame], truth: list[list[Pose]]) -> Found:
    found, near, strangers, times, heights = [], [], 0, [], []
    ours = list(estimator.layout.index(*JOINTS))
    theirs = list(layout("blazepose-33").index(*JOINTS))
    engine.recorded.clear()
    for frame, real in zip(frames, truth, strict=True):
        start = time.perf_counter()
        poses = estimator.estimate(frame.image, frame.time_s)
        times.append(time.perf_counter() - start)
        boxes = [bounding_box(pose.keypoints) for pose in poses]
        for body in real:
            box = bounding_box(body.keypoints)
            heights.append((box[3] - box[1]) / frame.image.shape[0])
            shared = [overlap(other, box) for other in boxes]
            is_found = max(shared, default=0) > SAME_PERSON
            found.append(is_found)
            wanted = body.keypoints[theirs]
            trunk = np.linalg.norm(wanted[0:2, :2].mean(0) - wanted[6:8, :2].mean(0))
            given = poses[int(np.argmax(shared))].keypoints[ours] if is_found else np.zeros_like(wanted)
            close = (given[:, 2] > 0) & (np.linalg.norm(given[:, :2] - wanted[:, :2], axis=1) < NEAR * trunk)
            near += close[wanted[:, 2] > 0].tolist()
        strangers += sum(
            all(overlap(box, bounding_box(body.keypoints)) <= SAME_PERSON for body in real) for box in boxes
        )
    count = len(frames)
    return Found(
        float(np.mean(found)), float(np.mean(near)), strangers / count, len(engine.recorded) / count,
        1000 * float(np.median(times)), float(np.median(heights)),
    )  # fmt: skip


def main() -> None:
    parser = command_line.parser("benchmarks.person_crop", __doc__)
    parser.add_argument("network", type=Path, metavar="NETWORK.onnx")
    parser.add_argument("clips", nargs="+", type=Path, metavar="CLIP")
    given = parser.parse_args()
    table = Table("clip", "a body's height", "cut", "found %", "joints %", "strangers", "runs", "ms")
    for clip in given.clips:
        frames = list(islice(open_source(str(clip)), FRAMES))
        reference = open_estimator(PoseConfig(max_people=MAX_PEOPLE, threads=1))
        truth = [[pose for pose in reference.estimate(f.image, f.time_s) if pose.score > SURE] for f in frames]
        for cut in (False, True):
            engine = RecordingEngine(open_engine(given.network, threads=1))
            estimator: PoseEstimator = HeatmapEstimator(
                engine, TF_POSE, max_people=MAX_PEOPLE, min_joint_score=MIN_PEAK
            )
            if cut:
                estimator = FollowingCrop(estimator, max_people=MAX_PEOPLE, search_every_s=SEARCH_EVERY_S)
            row = judged(estimator, engine, frames, truth)
            cells = (f"{100 * row.found:.0f}", f"{100 * row.joints:.0f}", f"{row.strangers:.2f}")
            height = f"{100 * row.height:.0f} % of {frames[0].image.shape[0]}"
            table.add_row(clip.name, height, "yes" if cut else "no", *cells, f"{row.runs:.2f}", f"{row.ms:.0f}")
    Console(width=120).print(table)


if __name__ == "__main__":
    command_line.run(main)
