"""The stage that looks: a frame in, the bodies in it out, or why there is no answer."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Protocol

import numpy as np

from edge.contract.errors import EngineError
from edge.contract.layouts import JointLayout
from edge.contract.types import Frame, Pose, PoseResult
from edge.latency import POSE, timed
from edge.loop.restarts import Restartable
from edge.pose.estimator import PoseEstimator


class PoseStage(Protocol):
    """layout: the joints of the poses it gives. describe: one phrase. see: called with the frames in order."""

    layout: JointLayout

    def describe(self) -> str: ...

    def estimate(self, frame: Frame) -> PoseResult: ...

    def close(self) -> None: ...


class EstimatorStage:
    """See PoseStage: a pose estimator that is opened anew when it fails; each one must have the same layout.

    ``see`` raises StageError when the budget of restarts is spent.
    """

    def __init__(self, estimator: Restartable[PoseEstimator]) -> None:
        self._estimator = estimator
        first = estimator.get()
        self.layout, self._description = first.layout, first.describe()

    def describe(self) -> str:
        return self._description

    def estimate(self, frame: Frame) -> PoseResult:
        latency_ms: dict[str, float] = {}
        try:
            with timed(latency_ms, POSE):
                estimator = self._estimator.get()
                network_s = estimator.network_s
                poses = estimator.estimate(frame.image, frame.time_s)
                _check_finite(poses)
        except Exception as error:  # noqa: BLE001 whatever it is: counted, shown, started again, and in the end raised
            return PoseResult(frame, (), self._estimator.record_failure(error), latency_ms)
        return PoseResult(frame, tuple(poses), None, latency_ms, estimator.network_s - network_s)

    def close(self) -> None:
        self._estimator.close()


def _check_finite(poses: Sequence[Pose]) -> None:
    # The sum of squares is not finite either, and costs a third of asking each number.
    if not all(math.isfinite(np.vdot(pose.keypoints, pose.keypoints)) for pose in poses):
        raise EngineError("the pose estimator gave NaN or infinite keypoints")
