"""The two pose estimators of a pair: the good one that teaches, and the cheap one that the student will live with."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

import cv2
import numpy as np

from edge.assets import BLAZEPOSE_LANDMARKS, Asset
from edge.contract.bundle import sha256_of
from edge.contract.errors import ConfigError
from edge.contract.layouts import JointLayout
from edge.contract.types import Image, Pose
from edge.pose.estimator import PoseEstimator
from edge.pose.public_network import TRT_POSE_RESNET18, Published
from edge.pose.registry import PoseConfig, open_estimator

PUBLISHED: dict[str, Asset | Published] = {"blazepose": BLAZEPOSE_LANDMARKS, "trt_pose": TRT_POSE_RESNET18}
"""The network that an estimator fetches where the user names none."""
SMALL_HEIGHT = 144
"""Rows of the pictures that the cheap estimator sees where it is the good one again."""


@dataclass(frozen=True)
class TwoEstimators:
    """high: the good one. low: the cheap one. low_height: rows of the pictures the cheap one is given, 0 for all; None
    for SMALL_HEIGHT where it is the good one again, else for all."""

    high: PoseConfig
    low: PoseConfig
    low_height: int | None

    def open(self) -> tuple[PoseEstimator, PoseEstimator]:
        """Both, on one CPU thread each: videos are worked on in parallel instead. Raises what the registry raises."""
        height = self.rows
        high = open_estimator(replace(self.high, threads=1))
        low = open_estimator(replace(self.low, threads=1))
        return high, Downscaled(low, height) if height else low

    @property
    def rows(self) -> int:
        """Rows of the cheap estimator's pictures, 0 for all; ConfigError where both would see the same."""
        same = self.high == self.low
        if self.low_height is None:
            return SMALL_HEIGHT if same else 0
        if self.low_height < 0 or (same and not self.low_height):
            raise ConfigError(
                "both estimators would see the same", hint="give another --low.name or --low.network, or a --low_height"
            )
        return self.low_height

    def settings(self) -> dict[str, Any]:
        """What decides the poses, in plain types; networks by name and checksum, wherever they lie."""
        return {
            "high": _settings(self.high),
            "low": _settings(self.low) | {"height": self.rows},
        }


def _settings(config: PoseConfig) -> dict[str, Any]:
    plain = asdict(config)
    del plain["threads"]
    if config.network is not None:
        plain |= {"network": config.network.name, "sha256": sha256_of(config.network)}
    elif published := PUBLISHED.get(config.name):
        plain |= {"network": published.name, "sha256": published.sha256}
    return plain


class Downscaled:
    """An estimator that is shown pictures of fewer rows, as from a cheaper camera; its poses are scaled back.

    See :class:`edge.pose.estimator.PoseEstimator`.
    """

    def __init__(self, estimator: PoseEstimator, rows: int) -> None:
        self.layout: JointLayout = estimator.layout
        self._estimator, self._rows = estimator, rows

    @property
    def network_s(self) -> float:
        return self._estimator.network_s

    def describe(self) -> str:
        return f"{self._estimator.describe()}, images of {self._rows} rows"

    def close(self) -> None:
        self._estimator.close()

    def estimate(self, image: Image, time_s: float | None = None) -> list[Pose]:
        """See PoseEstimator. A picture that is small already stays as it is."""
        height, width = image.shape[:2]
        if height <= self._rows:
            return self._estimator.estimate(image, time_s)
        columns = max(1, round(width * self._rows / height))
        small = np.asarray(cv2.resize(image, (columns, self._rows), interpolation=cv2.INTER_AREA), np.uint8)
        scale = np.array([width / columns, height / self._rows, 1], np.float32)
        return [Pose(pose.keypoints * scale, pose.score) for pose in self._estimator.estimate(small, time_s)]
