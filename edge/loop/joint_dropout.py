"""Which joints the estimator misses: what a student's mistakes most often come from."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from edge.contract.types import Float32, Pose

MEMORY_S = 2.0
"""The parts are averaged over about this long."""


class JointDropout:
    """Part of the time, 0..1, that each joint of the people in view was not seen lately."""

    def __init__(self, joints: int) -> None:
        self._parts: Float32 = np.zeros(joints, np.float32)
        self._last_s: float | None = None

    def update(self, poses: Sequence[Pose], time_s: float) -> Float32:
        """(V,) after one more frame; nobody in view changes nothing."""
        if poses:
            scores = np.array([pose.keypoints[:, 2] for pose in poses])
            unseen = (scores <= 0).sum(axis=0, dtype=np.float32) / np.float32(len(poses))
            weight = 1.0 if self._last_s is None else 1 - math.exp(-(time_s - self._last_s) / MEMORY_S)
            self._parts = self._parts + np.float32(weight) * (unseen - self._parts)
            self._last_s = time_s
        return self._parts
