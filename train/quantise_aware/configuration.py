"""Flags of the quantisation-aware trainings. No PyTorch here: see train/configuration.py."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from edge.contract.errors import ConfigError
from edge.contract.intervals import require_in
from train.configuration import SEEDS, Hardware
from train.optimiser import Optimiser


@dataclass(frozen=True)
class FineTuning(Optimiser):
    """Adam for a few epochs at a small learning rate: the weights are already close to their optimum."""

    epochs: int = 5
    """Passes over the training clips."""
    learning_rate: float = 3e-4
    """Learning rate at the start, relative to the largest weight of a channel; an INT8 step is 1/127 of that weight."""
    weight_decay: float = 0.0
    """L2 penalty."""
    schedule: Literal["release", "cosine"] = "cosine"
    """release: x0.1 at 30/55, 40/55 and 50/55 of the epochs. cosine: half a cosine down to 0 after a short warm-up."""

    def build(self, parameters: Iterable[Any]) -> Any:
        import torch

        return torch.optim.Adam(parameters, lr=self.learning_rate, weight_decay=self.weight_decay)


@dataclass(frozen=True)
class QuantiseAwareConfig:
    """Fine-tune a bundle's INT8 student (quantisation-aware training), with its teacher."""

    run: Path
    """Folder of the run that the bundle was exported from. Its data, method and losses are used."""
    teacher: Path
    """Folder of the teacher's run."""
    bundle: Path
    """Bundle folder with student.int8.onnx from `python -m calibrate student`; the file is replaced."""
    out: Path
    """Folder of this run: checkpoint and report. An interrupted run is resumed."""
    data: Path | None = None
    """Folder of the dataset that the student was trained on, if it needs one."""
    cache: Path | None = None
    """Cache of parsed files for ntu60, ntu120 and kinetics, as --data.cache of the training."""
    keep: float = 30.0
    """Weight of the squared distance from the FP32 student's logits; 0 leaves it out. The distance is small: with a
    smaller weight, the other losses move the student away from its FP32 decisions."""
    optimiser: FineTuning = field(default_factory=FineTuning)
    """Length and learning rate of the training."""
    hardware: Hardware = field(default_factory=lambda: Hardware(threads=1))
    """What to train on: a CPU, GPUs, several machines. One CPU thread by default: a student is small, and on a busy
    machine several threads spend their time waiting for each other."""
    seed: int = 0
    """Seed of the order of clips."""

    def __post_init__(self) -> None:
        require_in(self, seed=SEEDS)
        if self.hardware.precision == "bf16-mixed":
            # bfloat16 has 8 significant bits, so that every INT8 step would be rounded twice.
            raise ConfigError(
                "quantisation-aware training does not run in bfloat16", hint="give --hardware.precision 32-true"
            )
        if self.optimiser.patience:
            raise ConfigError(
                "quantisation-aware training has no early stopping", hint="leave out --optimiser.patience"
            )


@dataclass(frozen=True)
class PoseFineTuningConfig:
    """Fine-tune an INT8 pose network towards the maps of its FP32 network (quantisation-aware training)."""

    network: Path
    """FP32 network (pose.onnx) whose input is the image in bytes."""
    int8: Path
    """pose.int8.onnx from `python -m calibrate pose`; the file is replaced."""
    frames: Path
    """Video, or folder (with subfolders) of videos and images of people, in scenes like those the device will see."""
    pictures: int = 400
    """Images kept per video and per folder of images, evenly spread."""
    steps: int = 1000
    """Training steps. The same command resumes an interrupted training."""
    batch: int = 4
    """Images per step."""
    learning_rate: float = 2e-4
    """Largest learning rate, relative to the largest weight of a channel; an INT8 step is 1/127 of that weight. It
    falls to 0."""
    elsewhere: float = 0.3
    """Weight of the distance between maps where neither network sees anybody; 1 elsewhere."""
    minutes: float = 0.0
    """Finish after this many minutes; the learning rate falls accordingly. 0 for no limit."""
    pause_after: float = 0.0
    """Pause after this many minutes; the same command resumes. 0 for never."""
    hardware: Hardware = field(default_factory=Hardware)
    """What to train on: one CPU or one GPU. bf16-mixed: the forward pass stays what the device runs; gradients of
    convolutions are computed in bfloat16, in half the time on processors that support it."""
    seed: int = 0
    """Seed of the random crops."""

    def __post_init__(self) -> None:
        require_in(self, pictures="[1, inf)", steps="[1, inf)", batch="[1, inf)", learning_rate="(0, inf)", seed=SEEDS)
        require_in(self, minutes="[0, inf)", pause_after="[0, inf)", elsewhere="(0, 1]")
        if self.hardware.devices * self.hardware.nodes > 1 or self.hardware.precision == "64-true":
            raise ConfigError(
                "a pose network trains on one device, and not in double precision", hint="leave out --hardware"
            )
