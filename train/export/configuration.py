"""Flags of the export commands. No PyTorch here: see train/configuration.py."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from edge.contract.intervals import require_in


@dataclass(frozen=True)
class ExportConfig:
    """Export a trained student as a bundle: ONNX, manifest, self-test data, and clips for calibration."""

    run: Path
    """Folder of the student's run."""
    bundle: Path
    """Folder to write bundle.yaml, student.onnx and reference.npz to."""
    workdir: Path
    """Folder for calibration.npz and test.npz, which `python -m calibrate` reads."""
    data: Path | None = None
    """Folder of the dataset that the run was trained on, if it needs one."""
    cache: Path | None = None
    """Cache of parsed files for ntu60, ntu120 and kinetics, as --data.cache of the training."""
    name: str | None = None
    """Name of the bundle; by default the folder's."""
    reference_clips: int = 256
    """Number of generated clips in reference.npz, on which `make verify` and `make engine` compare networks when no
    labelled clips are given. For joints that the generator lacks, and two bodies, a few test clips instead."""

    def __post_init__(self) -> None:
        require_in(self, reference_clips="[1, inf)")


@dataclass(frozen=True)
class StreamExportConfig:
    """Add the networks of a streaming student, which reads new frames only instead of whole clips, to a bundle."""

    run: Path
    """Folder of a run of dense_gcn_stream, with --data.pairs.preprocessing.centre trailing."""
    bundle: Path
    """Bundle folder with a student of the same classes, joints, clip length and rate."""
    workdir: Path
    """Folder for stream_calibration.npz and stream_test.npz, which `python -m calibrate stream` reads."""
    data: Path | None = None
    """Folder of the dataset that the run was trained on, if it needs one."""
    cache: Path | None = None
    """Cache of parsed files for ntu60, ntu120 and kinetics, as --data.cache of the training."""
    frames: Literal[1, 2, 4] = 4
    """New frames per step. 4 costs least in total; with 1 or 2 there are more networks and more, shorter steps. The
    logits are the same, at the same times."""


@dataclass(frozen=True)
class PoseExportConfig:
    """Export one of trt_pose's networks, with its published weights, as ONNX."""

    out: Path
    """ONNX file to write, for instance pose.onnx."""
    weights: Path | None = None
    """trt_pose's .pth file. Without it the network is untrained, which is useful for timing only."""
    backbone: Literal["resnet18", "densenet121"] = "resnet18"
    """resnet18 (224x224) or densenet121 (256x256; slower, finds more people)."""
    size: int = 0
    """Side of the square input in pixels, a multiple of 32; 0 for the size that the weights were trained with."""
