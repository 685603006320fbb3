"""Flags of the quantisation-aware trainings. No PyTorch here: see train/configuration.py."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from edge.contract.errors import ConfigError
from train.configuration import Hardware, refuse_impossible
from train.optimiser import Optimiser


@dataclass(frozen=True)
class FineTuning(Optimiser):
    """Adam, a few epochs at a small learning rate, because the weights are nearly where they belong."""

    epochs: int = 5
    """Passes over the training clips."""
    learning_rate: float = 3e-4
    """Learning rate at the start, relative to the largest weight of a channel, whose INT8 steps are 1/127 of it."""
    weight_decay: float = 0.0
    """L2 penalty."""
    schedule: Literal["release", "cosine"] = "cosine"
    """release: x0.1 at 30/55, 40/55 and 50/55 of the epochs. cosine: half a cosine down to 0 after a short warm-up."""

    def descent(self, parameters: Iterable[Any]) -> Any:
        import torch

        return torch.optim.Adam(parameters, lr=self.learning_rate, weight_decay=self.weight_decay)


@dataclass(frozen=True)
class QuantiseAwareConfig:
    """Fine-tune a bundle's INT8 student (quantisation-aware training), with its teacher."""

    run: Path
    """Folder of the run that the bundle was exported from; its data, method and losses are used."""
    teacher: Path
    """Folder of the teacher's run."""
    bundle: Path
    """Bundle folder with student.int8.onnx, as `python -m calibrate student` wrote it; the file is rewritten."""
    out: Path
    """Folder of this run: checkpoint and report. An interrupted run is continued there."""
    data: Path | None = None
    """Folder of the dataset the student was trained on, where it needs one."""
    cache: Path | None = None
    """As --data.cache of the training: where ntu60, ntu120 and kinetics keep what was parsed."""
    keep: float = 30.0
    """Weight of the distance from the FP32 student's logits; 0 leaves it out. It is large because the distance is
    small: with less, the other losses move the student away from its FP32 decisions."""
    optimiser: FineTuning = field(default_factory=FineTuning)
    """Length and learning rate of the training."""
    hardware: Hardware = field(default_factory=lambda: Hardware(threads=1))
    """What to train on: a CPU, GPUs, several machines. On a CPU one thread by default: a student is small, and
    beside other work threads that wait for each other crawl."""
    seed: int = 0
    """Seed of the order of clips."""

    def __post_init__(self) -> None:
        refuse_impossible([self.seed])
        if self.hardware.precision == "bf16-mixed":
            # It keeps eight bits of its own, and every step would be rounded twice.
            raise ConfigError("eight bits are not trained in bfloat16", hint="give --hardware.precision 32-true")
        if self.optimiser.patience:
            raise ConfigError("no clips are held out to stop early by", hint="leave out --optimiser.patience")


@dataclass(frozen=True)
class PoseFineTuningConfig:
    """Fine-tune an INT8 pose network towards the maps of its FP32 network (quantisation-aware training)."""

    network: Path
    """pose.onnx, in FP32, which reads a camera's bytes."""
    int8: Path
    """pose.int8.onnx, as `python -m calibrate pose` wrote it; the file is rewritten."""
    frames: Path
    """Video, or folder with videos and images of people, subfolders included, of scenes such as the device will see."""
    pictures: int = 400
    """Images kept of each video, and of the images of each folder, evenly spread."""
    steps: int = 1000
    """Training steps. An interrupted training is continued by the same command."""
    batch: int = 4
    """Images per step."""
    learning_rate: float = 2e-4
    """Largest learning rate, relative to the largest weight of a channel, whose INT8 steps are 1/127 of it; it falls
    to 0."""
    elsewhere: float = 0.3
    """Weight of the maps' distance where neither network sees anybody, against 1 where one does."""
    minutes: float = 0.0
    """Stop after so many minutes, with the learning rate falling as if that were the end; 0 for never."""
    pause_after: float = 0.0
    """Pause after so many minutes; the same command continues. 0 for never."""
    hardware: Hardware = field(default_factory=Hardware)
    """What to train on: one CPU or one GPU. bf16-mixed: the forward pass stays what the device runs; gradients of
    convolutions are computed in bfloat16, in half the time where the processor can."""
    seed: int = 0
    """Seed of the crops and their order."""

    def __post_init__(self) -> None:
        refuse_impossible([self.seed])
        if min(self.pictures, self.steps, self.batch) < 1 or self.learning_rate <= 0 or self.minutes < 0:
            raise ConfigError("pictures, steps, batch and learning_rate start above 0", hint="leave them out")
        if not 0 < self.elsewhere <= 1 or self.pause_after < 0:
            raise ConfigError("elsewhere lies above 0 and up to 1, and pause_after is no negative time")
        if self.hardware.devices * self.hardware.nodes > 1 or self.hardware.precision == "64-true":
            raise ConfigError(
                "a pose network is trained on one device in single precision", hint="leave out --hardware"
            )
