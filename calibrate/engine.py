"""``python -m calibrate engine``: TensorRT engines, on the device that will run them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from calibrate.pose_inputs import Family
from edge.contract.errors import ConfigError


@dataclass(frozen=True)
class EngineConfig:
    """Build TensorRT engines on the device that will run them, and keep the fastest that is accurate enough."""

    bundle: Path | None = None
    """Bundle folder: the student's engine is chosen and written there as student.engine."""
    onnx: Path | None = None
    """One network, instead of a bundle. Alone, it is built and nothing is compared."""
    int8: Path | None = None
    """INT8 form of that network: the best engine of the two files is then chosen by the people found in --frames."""
    out: Path | None = None
    """Engine to write; by default beside the network, with .engine. Its record is written beside it."""
    precision: Literal["auto", "int8", "fp16", "fp32"] = "auto"
    """auto: build all three and keep the fastest within the budget. Any other: build that one and keep it whatever it
    loses; FP32 is built too if --clips or --frames need it as the reference. fp32 is single precision without TF32."""
    clips: Path | None = None
    """test.npz with clips and labels. Without it a student is compared with the FP32 logits stored in the bundle."""
    frames: Path | None = None
    """Video or folder of images for a pose network."""
    family: Family = "trt_pose"
    """Kind of pose network."""
    pictures: int = 64
    """Number of frames compared."""
    min_people_agreement: float = 80.0
    """Percentage of the people found by either that both must find, in the same place."""
    max_batch: int = 4
    """Most clips in one run, where the network's batch axis is free: people decided about at once."""
    workspace_mib: int = 1024
    """Scratch memory a kernel may take, in MiB."""
    dla_core: int | None = None
    """DLA core to build for, 0 or 1 on boards that have them, in FP16: it takes no Q/DQ. Layers it cannot run fall back
    to the GPU."""


def engine(config: EngineConfig) -> None:
    """Build, compare, keep one, say why."""
    if (config.bundle is None) == (config.onnx is None):
        raise ConfigError("give a bundle or a network", hint="--bundle bundles/everyday, or --onnx pose.onnx")
    idle = {"clips": config.clips} if config.bundle is None else {"int8": config.int8, "frames": config.frames}
    if unread := [name for name, path in idle.items() if path is not None]:
        whose = "a bundle's student" if config.bundle is None else "a pose network, --onnx"
        raise ConfigError(f"--{unread[0]} is for {whose}", hint="leave it out")
    if (config.int8 is None) != (config.frames is None):
        raise ConfigError("INT8 is judged by the people it finds", hint="give both --int8 and --frames, or neither")
    # These read ONNX files, and the command line does not need to.
    from calibrate.tensorrt.best_engine import best_pose, best_student, one_engine

    if config.bundle is not None:
        best_student(config)
    elif config.int8 is not None:
        best_pose(config)
    else:
        one_engine(config)
