"""Prepare a pose network's inputs with the device's own preprocessing."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from calibrate.configuration import Family
from edge.contract.types import Image
from edge.engines.engine import Engine
from edge.engines.registry import open_engine
from edge.pose.heatmap_estimator import HeatmapEstimator
from edge.pose.heatmap_peaks import MIN_PEAK
from edge.pose.pose_network import TF_POSE, TRT_POSE

MAX_PEOPLE = 20
FAMILIES = {network.name: network for network in (TRT_POSE, TF_POSE)}


def estimator(engine: Engine, family: Family, file: Path | None = None) -> HeatmapEstimator:
    """Return the device's pose estimator around ``engine``, which runs the network ``file``."""
    return HeatmapEstimator(engine, FAMILIES[family], max_people=MAX_PEOPLE, min_joint_score=MIN_PEAK, file=file)


def pose_inputs(network: Path, family: Family, images: Sequence[Image]) -> list[NDArray[Any]]:
    """Return the network's input for each image, (1, 3, H, W) float32 or (1, H, W, 3) uint8."""
    with closing(estimator(open_engine(network), family, network)) as device:
        return [device.network_input(image) for image in images]
