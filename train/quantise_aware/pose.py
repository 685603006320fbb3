"""``python -m train quantise-aware-pose``: an INT8 pose network trained on in eight bits, its FP32 self teaching.

The second resort where a pose network loses too many people. Heatmaps are small differences of large activations, and
no choice of ranges or roundings, layer by layer, knows which differences count; a gradient through the whole network
does. What ``python -m calibrate pose`` wrote stays as it is, places of the Q/DQ pairs and float layers; weights, biases
and steps are learnt. No labels are needed: the FP32 network's heatmaps and part affinity fields are what is learnt, on
any pictures of people, each cut out anew at random in every step.

Sources: Hinton et al., arXiv 1503.02531 (a network as teacher); Jacob et al., CVPR 2018, section 3 (training in eight
bits); Esser et al., "Learned Step Size Quantization", ICLR 2020 (steps).
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.progress import Progress
from torch import Tensor

from edge.cli.console import console
from edge.contract.bundle import sha256_of
from edge.contract.errors import DataError, EngineError
from edge.contract.files import write_json
from edge.contract.types import Image
from edge.engines.engine import Engine
from edge.engines.registry import open_engine
from edge.pose.heatmap_estimator import PEAKS
from train.hardware import launch
from train.quantise_aware.broken_off import BrokenOff
from train.quantise_aware.configuration import PoseFineTuningConfig
from train.quantise_aware.map_distance import map_distance, scale_of
from train.quantise_aware.pose_pictures import Cutter, pictures_below
from train.quantise_aware.quantised_network import QuantisedGraph
from train.torch_file import refuse_other_version
from train.training_lock import training_lock

WARM_UP = 0.05
"""Part of the training in which the rate rises: Adam's first steps are as large as its later ones, and know least."""
CHECKED = 32
"""Cuts on which the distance is measured before and after; they are not learnt from."""
CHECKED_STEP = 1 << 40
"""The step whose cuts these are: no training comes so far."""
SAVED_EVERY_S = 60.0
"""Seconds after which a training that is broken off has lost no more than these."""


def quantise_aware_pose(config: PoseFineTuningConfig) -> None:
    """Train, and write the INT8 file with the same Q/DQ pairs and new weights and steps.

    Raises EngineError for networks that do not belong together, DataError where there are no pictures or the training
    diverged, ConfigError where another training was broken off, OutputError where one goes on; the file is then left as
    it was.
    """
    teacher = open_engine(config.network, threads=config.hardware.threads)
    (given,) = teacher.inputs
    if given.dtype != np.uint8 or len(given.shape) != 4 or given.shape[3] != 3 or None in given.shape[1:]:
        raise EngineError("does not take pictures (1, H, W, 3) of bytes", where=config.network)
    maps = [output.name for output in teacher.outputs if output.name != PEAKS]
    fabric = launch(config.hardware)
    student = QuantisedGraph(
        config.int8, maps, learn_steps=True, coarse_gradients=config.hardware.precision == "bf16-mixed"
    )
    with training_lock(config.int8.with_suffix(".lock"), config.int8, fabric):
        _fine_tune(config, teacher, maps, student.to(fabric.device), fabric.device)


def _fine_tune(
    config: PoseFineTuningConfig, teacher: Engine, maps: Sequence[str], student: QuantisedGraph, device: torch.device
) -> None:
    """Train the student from the INT8 file towards the teacher's maps, and write it there."""
    (given,) = teacher.inputs
    cutter = Cutter(
        pictures_below(config.frames, config.pictures), (given.shape[2] or 0, given.shape[1] or 0), config.seed
    )
    checked = cutter.cuts(CHECKED_STEP, CHECKED)
    scales = [scale_of(wanted).to(device) for wanted in _maps(teacher, maps, checked)]

    def distance(cuts: Image) -> Tensor:
        wanted = [each.to(device) for each in _maps(teacher, maps, cuts)]
        return map_distance(student(torch.from_numpy(cuts).to(device)), wanted, scales, config.elsewhere)

    @torch.no_grad()
    def mean_distance() -> float:
        return float(np.mean([float(distance(checked[i : i + 1])) for i in range(len(checked))]))

    before, broken_off = mean_distance(), BrokenOff(config.int8, _about(config))
    steps = _train(config, student, lambda step: distance(cutter.cuts(step, config.batch)), broken_off)
    if steps is None:
        return
    after = mean_distance()
    student.cpu().write(config.int8)
    broken_off.remove()
    _note(config.int8.with_suffix(".json"), steps)
    console.print(
        f"{config.int8}: distance from FP32's maps {before:.4f} before, {after:.4f} after {steps} steps, as part of "
        "their variance; count people with `python -m calibrate verify-pose`"
    )


def _train(
    config: PoseFineTuningConfig, student: QuantisedGraph, loss_of: Callable[[int], Tensor], broken_off: BrokenOff
) -> int | None:
    """From where it was broken off to the end; how many steps that was in all, None where it was left off before."""
    optimiser = torch.optim.Adam(student.parameters(), lr=config.learning_rate)
    step, spent_s = 0, 0.0
    if (kept := broken_off.read()) is not None:
        with refuse_other_version(broken_off.path):
            student.load_state_dict(kept["student"])
            optimiser.load_state_dict(kept["optimiser"])
            step, spent_s = kept["step"], kept["spent_s"]
    began = saved = time.monotonic()

    def save() -> None:
        state = {"student": student.state_dict(), "optimiser": optimiser.state_dict()}
        broken_off.keep(state | {"step": step, "spent_s": spent_s + time.monotonic() - began})

    with Progress(console=console) as shown:
        bar = shown.add_task("training in eight bits", total=1.0)
        while True:
            now = time.monotonic()
            done = step / config.steps
            if config.minutes:
                done = max(done, (spent_s + now - began) / (60 * config.minutes))
            if done >= 1:
                break
            if now - saved > SAVED_EVERY_S:
                save()
                saved = now
            optimiser.param_groups[0]["lr"] = config.learning_rate * _rate(done)
            loss = loss_of(step)
            if not torch.isfinite(loss):
                broken_off.remove()
                raise DataError(
                    f"the loss is {loss.item()} at step {step}", where=config.int8, hint="lower learning_rate"
                )
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            step += 1
            shown.update(bar, completed=done)
            if config.pause_after and time.monotonic() - began > 60 * config.pause_after:
                save()
                console.print(f"left off after {step} steps; the same command goes on")
                return None
    return step


def _about(config: PoseFineTuningConfig) -> dict[str, Any]:
    """What a training that was broken off must have in common with this one."""
    settings = ("pictures", "steps", "batch", "learning_rate", "elsewhere", "minutes", "seed")
    about = {name: getattr(config, name) for name in settings}
    about |= {"network": sha256_of(config.network), "int8": sha256_of(config.int8)}
    return about | {"frames": str(config.frames), "precision": config.hardware.precision}


def _rate(done: float) -> float:
    """Part of the learning rate when so much of the training is done, 0..1: up in a line, then down half a cosine."""
    if done < WARM_UP:
        return done / WARM_UP
    return float(1 + np.cos(np.pi * (done - WARM_UP) / (1 - WARM_UP))) / 2


def _maps(teacher: Engine, maps: Sequence[str], cuts: Image) -> list[Tensor]:
    given = [teacher.run({teacher.inputs[0].name: cut[None]}) for cut in cuts]
    return [torch.from_numpy(np.concatenate([each[name] for each in given])) for name in maps]


def _note(record: Path, steps: int) -> None:
    """Write the training into the record that calibration left, where it did."""
    if record.is_file():
        known = json.loads(record.read_text(encoding="utf-8"))
        write_json(record, {**known, "quantise_aware_steps": steps})
