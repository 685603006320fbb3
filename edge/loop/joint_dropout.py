"""How often the estimator misses each joint that the student reads: the most frequent cause of wrong labels."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence

import numpy as np

from edge.contract.types import Float32, Pose

TIME_CONSTANT_S = 2.0


class JointDropout:
    """Exponential moving average over time of the share, 0..1, of people in view for whom each joint was missed.

    joints: of the estimator's layout. read: those that the student reads; the share of the others is 0, because a
    missed thumb explains no label.
    """

    def __init__(self, joints: int, read: Collection[int]) -> None:
        self._dropout = [0.0] * joints
        self._read = [joint in read for joint in range(joints)]
        self._last_s: float | None = None

    def update(self, poses: Sequence[Pose], time_s: float) -> Float32:
        """(V,) after one more frame. A frame with nobody in view changes nothing."""
        if poses:
            weight = 1.0 if self._last_s is None else 1 - math.exp(-(time_s - self._last_s) / TIME_CONSTANT_S)
            # In plain Python for the reason given in edge/tracking/similarity.py.
            by_joint = zip(*(pose.keypoints[:, 2].tolist() for pose in poses), strict=True)
            missed = (
                scores.count(0) / len(poses) if read else 0.0 for scores, read in zip(by_joint, self._read, strict=True)
            )
            self._dropout = [old + weight * (new - old) for old, new in zip(self._dropout, missed, strict=True)]
            self._last_s = time_s
        return np.array(self._dropout, np.float32)
