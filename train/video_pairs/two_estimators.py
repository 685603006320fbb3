"""The two pose estimators of a pair: the good one for the teacher, the cheap one for the student."""

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
from edge.pose.public_network import TRT_POSE_RESNET18, PublishedNetwork
from edge.pose.registry import PoseConfig, open_estimator

PUBLISHED: dict[str, Asset | PublishedNetwork] = {"blazepose": BLAZEPOSE_LANDMARKS, "trt_pose": TRT_POSE_RESNET18}
"""The network that an estimator downloads if the user names none."""
SMALL_HEIGHT = 144
"""Default height in pixels of the cheap estimator's frames if both estimators are the same."""


@dataclass(frozen=True)
class TwoEstimators:
    """high: the good one. low: the cheap one. low_height: height in pixels of the cheap one's frames, 0 for the
    original; None for SMALL_HEIGHT if both are the same, else the original."""

    high: PoseConfig
    low: PoseConfig
    low_height: int | None

    def open(self) -> tuple[PoseEstimator, PoseEstimator]:
        """Open both with one CPU thread each, since videos run in parallel. Raises what open_estimator raises."""
        height = self.height
        high = open_estimator(replace(self.high, threads=1))
        low = open_estimator(replace(self.low, threads=1))
        return high, Downscaled(low, height) if height else low

    @property
    def height(self) -> int:
        """Height of the cheap estimator's frames, 0 for the original. Raises ConfigError if both would see the same."""
        same = replace(self.high, threads=0, engine="auto") == replace(self.low, threads=0, engine="auto")
        if self.low_height is None:
            return SMALL_HEIGHT if same else 0
        if same and not self.low_height:
            raise ConfigError(
                "both estimators would see the same", hint="give another --low.name or --low.network, or a --low_height"
            )
        return self.low_height

    def settings(self) -> dict[str, Any]:
        """All that the poses depend on, in plain types; networks by file name and checksum."""
        return {"high": _settings(self.high), "low": _settings(self.low) | {"height": self.height}}


def _settings(config: PoseConfig) -> dict[str, Any]:
    plain = asdict(config)
    del plain["threads"]
    if config.network is not None:
        plain |= {"network": config.network.name, "sha256": sha256_of(config.network)}
    elif published := PUBLISHED.get(config.name):
        plain |= {"network": published.name, "sha256": published.sha256}
    return plain


class Downscaled:
    """A PoseEstimator that runs another one on downscaled frames, as from a cheaper camera; poses are scaled back."""

    def __init__(self, estimator: PoseEstimator, height: int) -> None:
        self.layout: JointLayout = estimator.layout
        self._estimator, self._height = estimator, height

    @property
    def network_s(self) -> float:
        return self._estimator.network_s

    def describe(self) -> str:
        return f"{self._estimator.describe()}, images of {self._height} rows"

    def close(self) -> None:
        self._estimator.close()

    def estimate(self, image: Image, time_s: float | None = None) -> list[Pose]:
        """See PoseEstimator. Smaller images are not scaled."""
        height, width = image.shape[:2]
        if height <= self._height:
            return self._estimator.estimate(image, time_s)
        small_width = max(1, round(width * self._height / height))
        small = np.asarray(cv2.resize(image, (small_width, self._height), interpolation=cv2.INTER_AREA), np.uint8)
        scale = np.array([width / small_width, height / self._height, 1], np.float32)
        return [Pose(pose.keypoints * scale, pose.score) for pose in self._estimator.estimate(small, time_s)]
