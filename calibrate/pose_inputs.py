"""What a pose estimator really feeds its network: the device's own preparation, not a copy of it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from numpy.typing import NDArray
from rich.progress import track

from calibrate.recording_engine import RecordingEngine
from edge.cli.console import console
from edge.contract.types import Image
from edge.engines.engine import Engine
from edge.engines.registry import open_engine
from edge.pose.heatmap_estimator import HeatmapEstimator
from edge.pose.pose_network import TF_POSE, TRT_POSE

Family = Literal["trt_pose", "tf_pose"]
MAX_PEOPLE, MIN_JOINT_SCORE = 20, 0.1
FAMILIES = {network.name: network for network in (TRT_POSE, TF_POSE)}


def estimator(engine: Engine, family: Family, file: Path | None = None) -> HeatmapEstimator:
    """The device's estimator around an engine, which runs ``file``."""
    return HeatmapEstimator(engine, FAMILIES[family], max_people=MAX_PEOPLE, min_joint_score=MIN_JOINT_SCORE, file=file)


def pose_inputs(network: Path, family: Family, pictures: Sequence[Image]) -> list[NDArray[Any]]:
    """The network's input for each picture, (1, 3, H, W) float32 or (1, H, W, 3) uint8."""
    engine = RecordingEngine(open_engine(network))
    device = estimator(engine, family, network)
    for picture in track(pictures, "preparing pictures", console=console):
        device.estimate(picture)
    device.close()
    return [given[engine.inputs[0].name] for given in engine.recorded]
