"""The pose stage: a frame in, the poses of the bodies in it out."""

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
    """layout: joints of its poses. describe: one phrase. estimate: called with each frame, in order."""

    layout: JointLayout

    def describe(self) -> str: ...

    def estimate(self, frame: Frame) -> PoseResult: ...

    def close(self) -> None: ...


class EstimatorStage:
    """A PoseStage around a pose estimator, which is reopened after a failure; its layout must not change.

    ``estimate`` raises StageError when the restart budget is spent.
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
                before_s = estimator.network_s
                poses = estimator.estimate(frame.image, frame.time_s)
                _check_finite(poses)
        except Exception as error:  # noqa: BLE001 any failure is counted and published, and the estimator reopened
            return PoseResult(frame, (), self._estimator.record_failure(error), latency_ms)
        return PoseResult(frame, tuple(poses), None, latency_ms, estimator.network_s - before_s)

    def close(self) -> None:
        self._estimator.close()


def _check_finite(poses: Sequence[Pose]) -> None:
    # A sum of squares with a NaN or infinity is not finite. It takes a third of the time of np.isfinite().all().
    if not all(math.isfinite(np.vdot(pose.keypoints, pose.keypoints)) for pose in poses):
        raise EngineError("the pose estimator returned NaN or infinite keypoints")
