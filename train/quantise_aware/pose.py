"""``python -m train quantise-aware-pose``: fine-tune an INT8 pose network with its FP32 network as teacher.

For pose networks that lose too many people in INT8. Heatmaps are small differences of large activations; choosing
ranges or roundings layer by layer cannot tell which differences count, a gradient through the whole network can.
Weights, biases and quantisation steps are trained; the Q/DQ pairs and float layers that ``python -m calibrate pose``
chose stay. No labels are needed: the targets are the FP32 network's heatmaps and part affinity fields, on new random
crops of images of people in every step.

Sources: Hinton et al., arXiv 1503.02531 (distillation); Jacob et al., CVPR 2018, section 3 (quantisation-aware
training); Esser et al., "Learned Step Size Quantization", ICLR 2020 (steps).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from edge.cli.console import console
from edge.cli.progress_bar import ProgressBar
from edge.contract.bundle import sha256_of
from edge.contract.errors import ConfigError, DataError, EngineError
from edge.contract.files import atomic_write, write_json
from edge.contract.reading import read_json
from edge.contract.types import Image
from edge.engines.engine import Engine
from edge.engines.registry import open_engine
from edge.pose.heatmap_estimator import PEAKS
from train.hardware import launch
from train.lock_file import training_lock
from train.quantise_aware.configuration import PoseFineTuningConfig
from train.quantise_aware.map_distance import map_distance, scale_of
from train.quantise_aware.pose_images import load_images, random_crops
from train.quantise_aware.quantised_network import QuantisedGraph
from train.torch_file import LOAD_ERRORS, checked, refuse_other_version, write_torch

WARM_UP = 0.05
"""Fraction of the training in which the learning rate rises: Adam's first steps are large and badly scaled."""
VALIDATION_CROPS = 32
"""Crops on which the distance is measured before and after; they are not trained on."""
VALIDATION_STEP = 1 << 40
"""The step that these crops are drawn for; no training gets this far."""
SAVE_INTERVAL_S = 60.0
"""An interrupted training loses at most this much."""


def quantise_aware_pose(config: PoseFineTuningConfig) -> None:
    """Train, and write the INT8 file with the same Q/DQ pairs and new weights and steps.

    Raises EngineError for networks that do not belong together, DataError if there are no images or the training
    diverged, ConfigError if a training with other settings was interrupted, OutputError if one is running; the file is
    then left unchanged.
    """
    teacher = open_engine(config.network, threads=config.hardware.threads)
    (network_input,) = teacher.inputs
    shape = network_input.shape
    if network_input.dtype != np.uint8 or len(shape) != 4 or shape[3] != 3 or None in shape[1:]:
        raise EngineError("does not read images (1, H, W, 3) of bytes", where=config.network)
    maps = [output.name for output in teacher.outputs if output.name != PEAKS]
    fabric = launch(config.hardware)
    student = QuantisedGraph(
        config.int8, maps, learn_steps=True, bfloat16_gradients=config.hardware.precision == "bf16-mixed"
    )
    with training_lock(config.int8.with_suffix(".lock"), config.int8, fabric):
        _fine_tune(config, teacher, maps, student.to(fabric.device), fabric.device)


def _fine_tune(
    config: PoseFineTuningConfig, teacher: Engine, maps: Sequence[str], student: QuantisedGraph, device: torch.device
) -> None:
    """Train the student from the INT8 file towards the teacher's maps, and replace the file."""
    record = config.int8.with_suffix(".json")  # of calibration
    known = read_json(record, DataError, "calibrate again, or remove it") if record.is_file() else None
    _, height, width, _ = teacher.inputs[0].shape
    images = load_images(config.frames, config.pictures)
    crops_of = partial(random_crops, images, (width or 0, height or 0), config.seed)
    validation = crops_of(VALIDATION_STEP, VALIDATION_CROPS)
    scales = [scale_of(targets).to(device) for targets in _maps(teacher, maps, validation)]

    def distance(crops: Image) -> Tensor:
        targets = [each.to(device) for each in _maps(teacher, maps, crops)]
        return map_distance(student(torch.from_numpy(crops).to(device)), targets, scales, config.elsewhere)

    @torch.no_grad()
    def mean_distance() -> float:
        return float(np.mean([float(distance(validation[i : i + 1])) for i in range(len(validation))]))

    before = mean_distance()
    steps = _train(config, student, lambda step: distance(crops_of(step, config.batch)))
    if steps is None:
        return
    after = mean_distance()
    with atomic_write(config.int8) as partial_file:
        student.cpu().write(partial_file)
        if known is not None:
            write_json(record, {**known, "quantise_aware_steps": steps})  # they belong together
    _resume_file(config).unlink(missing_ok=True)
    console.print(
        f"{config.int8}: distance from FP32's maps {before:.4f} before, {after:.4f} after {steps} steps, relative to "
        "their variance; count people with `python -m calibrate verify-pose`"
    )


def _train(config: PoseFineTuningConfig, student: QuantisedGraph, loss_of: Callable[[int], Tensor]) -> int | None:
    """Train from the last saved state to the end. Returns the total number of steps, or None if it pauses before."""
    optimiser = torch.optim.Adam(student.parameters(), lr=config.learning_rate)
    step, spent_s, about, path = 0, 0.0, _about(config), _resume_file(config)
    if (saved := load_state(path, about)) is not None:
        with refuse_other_version(path):
            student.load_state_dict(saved["student"])
            optimiser.load_state_dict(saved["optimiser"])
            step, spent_s = saved["step"], saved["spent_s"]
    began = saved_at = time.monotonic()

    def save() -> None:
        state = {"student": student.state_dict(), "optimiser": optimiser.state_dict(), "step": step}
        state["spent_s"] = spent_s + time.monotonic() - began
        write_torch(path, {"about": about, "state": state})

    with ProgressBar(console) as progress:
        bar = progress.add_task("quantisation-aware training, percent", total=100, status="")
        while True:
            now = time.monotonic()
            done = step / config.steps
            if config.minutes:
                done = max(done, (spent_s + now - began) / (60 * config.minutes))
            progress.update(bar, completed=int(100 * min(done, 1.0)), status=f"step {step}")
            if done >= 1:
                break
            if now - saved_at > SAVE_INTERVAL_S:
                save()
                saved_at = now
            optimiser.param_groups[0]["lr"] = config.learning_rate * _rate(done)
            loss = loss_of(step)
            if not torch.isfinite(loss):
                path.unlink(missing_ok=True)
                raise DataError(
                    f"the loss is {loss.item()} at step {step}", where=config.int8, hint="lower learning_rate"
                )
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            step += 1
            if config.pause_after and time.monotonic() - began > 60 * config.pause_after:
                save()
                console.print(f"paused after {step} steps; the same command resumes")
                return None
    return step


def _resume_file(config: PoseFineTuningConfig) -> Path:
    return config.int8.with_suffix(".training.pt")


def _about(config: PoseFineTuningConfig) -> dict[str, Any]:
    """Settings and files that an interrupted training must share with this one."""
    settings = ("pictures", "steps", "batch", "learning_rate", "elsewhere", "minutes", "seed")
    about = {name: getattr(config, name) for name in settings}
    about |= {"network": sha256_of(config.network), "int8": sha256_of(config.int8)}
    return about | {"frames": str(config.frames), "precision": config.hardware.precision}


def _rate(done: float) -> float:
    """Factor on the learning rate at a fraction 0..1 of the training: a linear warm-up, then half a cosine down."""
    if done < WARM_UP:
        return done / WARM_UP
    return float(1 + np.cos(np.pi * (done - WARM_UP) / (1 - WARM_UP))) / 2


def _maps(teacher: Engine, maps: Sequence[str], crops: Image) -> list[Tensor]:
    outputs = [teacher.run({teacher.inputs[0].name: crop[None]}) for crop in crops]
    return [torch.from_numpy(np.concatenate([each[name] for each in outputs])) for name in maps]


def load_state(path: Path, about: dict[str, Any]) -> dict[str, Any] | None:
    """The state of an interrupted training, or None. about: settings and checksums, which must be equal to resume.

    Raises ConfigError if it was saved with other settings or files, DataError if it is damaged.
    """
    if not path.is_file():
        return None
    try:
        saved = torch.load(checked(path), map_location="cpu", weights_only=True)
        known, state = saved["about"], dict(saved["state"])
    except LOAD_ERRORS as error:
        hint = "remove it to start again"
        raise DataError(f"cannot resume from this file: {error}", where=path, hint=hint) from error
    if differing := [name for name, value in about.items() if known.get(name) != value]:
        raise ConfigError(
            f"a training with another {differing[0]} was interrupted here",
            where=path,
            hint="give its settings to resume it, or remove this file to start again",
        )
    return state
