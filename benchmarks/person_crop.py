"""Benefit of cropping the image around each person for a heatmap network.

    python -m benchmarks.person_crop NETWORK.onnx CLIP...

NETWORK: of the tf-pose family. The reference is BlazePose, which crops around each person; it is another network, not
ground truth. found: share of its people that overlap with a body of the network. joints: share of their shoulders,
elbows, wrists, hips, knees and ankles that the network places within a fifth of the trunk's length of BlazePose's;
joints of people who were not found are missed. strangers: bodies per frame that BlazePose does not see. runs: of the
network, per frame.
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
from edge.pose.cropped_estimator import CroppedEstimator
from edge.pose.estimator import PoseEstimator
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
    """found, joints: shares, 0..1. strangers, runs: per frame. ms: median wall milliseconds per frame.

    height: median height of BlazePose's bodies, as share of the frame's.
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


def compare(
    estimator: PoseEstimator, engine: RecordingEngine, frames: list[Frame], reference: list[list[Pose]]
) -> Found:
    found, near, strangers, times, heights = [], [], 0, [], []
    ours = list(estimator.layout.index(*JOINTS))
    theirs = list(layout("blazepose-33").index(*JOINTS))
    engine.recorded.clear()
    for frame, real in zip(frames, reference, strict=True):
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
        blazepose = open_estimator(PoseConfig(max_people=MAX_PEOPLE, threads=1))
        reference = [[pose for pose in blazepose.estimate(f.image, f.time_s) if pose.score > SURE] for f in frames]
        for cut in (False, True):
            engine = RecordingEngine(open_engine(given.network, threads=1))
            estimator: PoseEstimator = HeatmapEstimator(
                engine, TF_POSE, max_people=MAX_PEOPLE, min_joint_score=MIN_PEAK
            )
            if cut:
                estimator = CroppedEstimator(estimator, max_people=MAX_PEOPLE, search_every_s=SEARCH_EVERY_S)
            row = compare(estimator, engine, frames, reference)
            cells = (f"{100 * row.found:.0f}", f"{100 * row.joints:.0f}", f"{row.strangers:.2f}")
            height = f"{100 * row.height:.0f} % of {frames[0].image.shape[0]}"
            table.add_row(clip.name, height, "yes" if cut else "no", *cells, f"{row.runs:.2f}", f"{row.ms:.0f}")
    Console(width=120).print(table)


if __name__ == "__main__":
    command_line.run(main)
