"""Flags of the commands that check and build engines. No TensorRT here: `--help` works where there is none."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from calibrate.configuration import Family
from edge.contract.errors import ConfigError


@dataclass(frozen=True)
class GateConfig:
    """Check, without a GPU, whether TensorRT accepts a network; exit code 1 if not."""

    onnx: Path
    """Network to check."""


@dataclass(frozen=True)
class EngineConfig:
    """Build TensorRT engines on the device and keep the fastest that is accurate enough."""

    bundle: Path | None = None
    """Bundle folder; the student's engine is written there as student.engine."""
    onnx: Path | None = None
    """A single network instead of a bundle. Without --int8 it is built and not compared."""
    int8: Path | None = None
    """INT8 form of that network; the best engine of both files is chosen by the people found in --frames."""
    out: Path | None = None
    """Engine to write; by default the network's name with .engine. A record is written beside it."""
    precision: Literal["auto", "int8", "fp16", "fp32"] = "auto"
    """auto: build all three and keep the fastest within the budget. Any other: build that one and keep it whatever it
    loses; FP32 is built too if --clips or --frames need it as the reference. fp32 is single precision without TF32."""
    clips: Path | None = None
    """test.npz with clips and labels. Without it the student is compared with the FP32 logits stored in the bundle."""
    frames: Path | None = None
    """Video or folder of images for a pose network."""
    family: Family = "trt_pose"
    """Kind of pose network."""
    pictures: int = 64
    """Number of images compared."""
    min_people_agreement: float = 80.0
    """Percentage of the people found by either network that both must find, in the same place."""
    max_batch: int = 4
    """Largest number of clips (people) per run, if the network's batch axis is dynamic."""
    workspace_mib: int = 1024
    """Scratch memory a kernel may take, in MiB."""
    dla_core: int | None = None
    """DLA core to build for, 0 or 1 on boards that have them. Builds FP16, because DLA accepts no Q/DQ; layers that it
    cannot run fall back to the GPU."""

    def __post_init__(self) -> None:
        if (self.bundle is None) == (self.onnx is None):
            raise ConfigError("give a bundle or a network", hint="--bundle bundles/everyday, or --onnx pose.onnx")
        idle = {"clips": self.clips} if self.bundle is None else {"int8": self.int8, "frames": self.frames}
        if unread := [name for name, path in idle.items() if path is not None]:
            whose = "a bundle's student" if self.bundle is None else "a pose network, --onnx"
            raise ConfigError(f"--{unread[0]} is for {whose}", hint="leave it out")
        if (self.int8 is None) != (self.frames is None):
            hint = "give both --int8 and --frames, or neither"
            raise ConfigError("INT8 is evaluated by the people it finds", hint=hint)
        if self.out is not None and self.out.suffix != ".engine":
            raise ConfigError("an engine's name ends in .engine", where=self.out, hint="give another --out")
