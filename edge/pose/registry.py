"""Pose estimators by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from edge.assets import BLAZEPOSE_DETECTOR, BLAZEPOSE_LANDMARKS, fetch
from edge.contract.errors import ConfigError
from edge.contract.intervals import require_in
from edge.engines.engine import Engine
from edge.engines.registry import Runtime, open_engine
from edge.pose.estimator import PoseEstimator
from edge.pose.pose_network import TF_POSE, TRT_POSE, PoseNetwork
from edge.pose.public_network import TRT_POSE_RESNET18, PublishedNetwork, fetch_published


@dataclass(frozen=True)
class PoseConfig:
    """Which pose estimator, and how it runs."""

    name: str = "blazepose"
    """blazepose (33 joints, CPU, nothing to prepare), trt_pose or tf_pose (18 joints)."""
    network: Path | None = None
    """Network file: .onnx or .engine for trt_pose and tf_pose; another BlazePose landmark .tflite for blazepose. Unset:
    the published one, downloaded once; tf_pose has none."""
    threads: int = 0
    """CPU threads of the network, 0 for as many as there are cores. Without effect on a GPU."""
    engine: Runtime = "auto"
    """auto: the runtime for the network file's suffix. openvino: OpenVINO instead, on x86 often the fastest for
    pose. cuda: ONNX Runtime on an NVIDIA GPU for an .onnx network, in FP32 (it has no INT8 convolutions); needs
    the package onnxruntime-gpu."""
    max_people: int = 5
    """People tracked at once, at most. With blazepose each tracked person costs about the same time again, and each
    possible person 0.2 MB of memory from the start."""
    min_joint_score: float | None = None
    """A joint below this score counts as unseen, 0..1. Unset: 0.5 for blazepose, 0.1 for heatmap networks."""
    search_every_s: float = 0.5
    """blazepose, and crop: seconds between searches for new people, each in the whole frame and in a square of each of
    three smaller sizes; in every frame while nobody is tracked, or somebody was just lost or is unconfirmed.
    Larger: faster, and new people are found later. 0: in every frame."""
    crop: bool = False
    """trt_pose and tf_pose: run the network on a crop around each person, for people far away. Costs one run for each
    person who stands apart; blazepose always does so."""

    def __post_init__(self) -> None:
        if self.name not in ESTIMATORS:
            raise ConfigError(f"unknown pose estimator {self.name!r}", hint=f"known: {', '.join(ESTIMATORS)}")
        require_in(self, max_people="[1, inf)", search_every_s="[0, inf]", threads="[0, inf)", min_joint_score="[0, 1]")
        if self.crop and self.name == "blazepose":
            raise ConfigError("blazepose always crops around each person", hint="leave out pose.crop")


def _blazepose_networks(config: PoseConfig) -> dict[str, Engine]:
    """Detector and landmark network with their added layers."""
    from edge.pose.blazepose import MIN_VISIBILITY
    from edge.pose.blazepose_layers import detector_layers, landmark_layers

    # Fetched together: both are in one wheel.
    missing = [BLAZEPOSE_DETECTOR] if config.network else [BLAZEPOSE_DETECTOR, BLAZEPOSE_LANDMARKS]
    detector, landmarks = [*fetch(*missing), *([config.network] if config.network else [])]
    min_score = MIN_VISIBILITY if config.min_joint_score is None else config.min_joint_score
    opened = partial(open_engine, threads=config.threads, runtime=config.engine)
    return {
        f"detector, {detector.name} with added layers": opened(detector, rewrite=detector_layers),
        f"landmarks, {landmarks.name} with added layers": opened(
            landmarks, rewrite=partial(landmark_layers, min_score=min_score)
        ),
    }


def _blazepose(config: PoseConfig) -> PoseEstimator:
    from edge.pose.blazepose import BlazePose

    detector, landmarks = _blazepose_networks(config).values()
    return BlazePose(detector, landmarks, max_people=config.max_people, search_every_s=config.search_every_s)


def _one_network(config: PoseConfig) -> dict[str, Engine]:
    """The network file in ``config``, else the published one."""
    if config.network is None and config.name not in PUBLISHED:
        raise ConfigError(f"{config.name} needs a network file", hint="give its .onnx or .engine, or choose blazepose")
    path = config.network or fetch_published(PUBLISHED[config.name])
    return {path.name: open_engine(path, threads=config.threads, runtime=config.engine)}


def _heatmaps(config: PoseConfig, network: PoseNetwork) -> PoseEstimator:
    from edge.pose.heatmap_estimator import HeatmapEstimator
    from edge.pose.heatmap_peaks import MIN_PEAK

    ((name, engine),) = _one_network(config).items()
    estimator = HeatmapEstimator(
        engine,
        network,
        max_people=config.max_people,
        min_joint_score=MIN_PEAK if config.min_joint_score is None else config.min_joint_score,
        file=config.network or name,
    )
    if not config.crop:
        return estimator
    from edge.pose.cropped_estimator import CroppedEstimator

    return CroppedEstimator(estimator, max_people=config.max_people, search_every_s=config.search_every_s)


PUBLISHED: dict[str, PublishedNetwork] = {"trt_pose": TRT_POSE_RESNET18}
"""Networks that are fetched if no file is given."""

ESTIMATORS: dict[str, Callable[[PoseConfig], PoseEstimator]] = {
    "blazepose": _blazepose,
    "trt_pose": partial(_heatmaps, network=TRT_POSE),
    "tf_pose": partial(_heatmaps, network=TF_POSE),
}


def open_networks(config: PoseConfig) -> dict[str, Engine]:
    """The networks of the estimator, by their names in reports; none if it needs a network file and none is given.

    Raises what :func:`open_estimator` raises.
    """
    if config.name == "blazepose":
        return _blazepose_networks(config)
    return _one_network(config) if config.network or config.name in PUBLISHED else {}


def open_estimator(config: PoseConfig) -> PoseEstimator:
    """The estimator that ``config`` names, ready to run; blazepose and trt_pose fetch their networks on first use.

    Raises ConfigError if it needs a network file, and what opening the networks raises.
    """
    return ESTIMATORS[config.name](config)
