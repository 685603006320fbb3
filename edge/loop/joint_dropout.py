"""How often the estimator misses each joint: the most frequent cause of wrong labels."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from edge.contract.types import Float32, Pose

TIME_CONSTANT_S = 2.0


class JointDropout:
    """Exponential moving average over time of the share, 0..1, of people in view for whom each joint was missed."""

    def __init__(self, joints: int) -> None:
        self._dropout: Float32 = np.zeros(joints, np.float32)
        self._last_s: float | None = None

    def update(self, poses: Sequence[Pose], time_s: float) -> Float32:
        """(V,) after one more frame. A frame with nobody in view changes nothing."""
        if poses:
            scores = np.array([pose.keypoints[:, 2] for pose in poses])
            missed = (scores <= 0).sum(axis=0, dtype=np.float32) / np.float32(len(poses))
            weight = 1.0 if self._last_s is None else 1 - math.exp(-(time_s - self._last_s) / TIME_CONSTANT_S)
            self._dropout = self._dropout + np.float32(weight) * (missed - self._dropout)
            self._last_s = time_s
        return self._dropout
