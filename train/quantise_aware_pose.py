"""``python -m train quantise-aware-pose``: an INT8 pose network trained on in eight bits, its FP32 self teaching.

The second resort where a pose network loses too many people. Heatmaps are small differences of large activations, and
no choice of ranges or roundings, layer by layer, knows which differences count; a gradient through the whole network
does. What ``python -m calibrate pose`` wrote stays as it is, ranges, places of the Q/DQ pairs and float layers. No
labels are needed: the FP32 network's heatmaps and part affinity fields are what is learnt, on any pictures of people,
each cut out anew at random in every step.

Source: Hinton et al., arXiv 1503.02531 (a network as teacher); Jacob et al., CVPR 2018, section 3 (training in eight
bits).
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
import torch
from rich.progress import track
from torch import Tensor

from edge.capture.registry import open_source
from edge.command_line import console
from edge.contract.errors import ConfigError, DataError, EngineError
from edge.contract.files import replacing
from edge.contract.types import Image
from edge.engines.engine import Engine
from edge.engines.registry import open_engine
from edge.pose.heatmap_estimator import PEAKS
from train.hardware import Hardware, launch
from train.quantised_network import QuantisedGraph
from train.video_pairs.videos import SUFFIXES

QUIET = 0.1
"""A channel that varies less than this part of the mean channel counts as if it varied so much."""
WARM_UP = 0.05
"""Part of the training in which the rate rises: Adam's first steps are as large as its later ones, and know least."""
CHECKED = 32
"""Cuts on which the distance is measured before and after; they are not learnt from."""


@dataclass(frozen=True)
class PoseFineTuningConfig:
    """Train an INT8 pose network on, in eight bits, towards what its FP32 network gives."""

    network: Path
    """pose.onnx, in FP32, which takes a camera's bytes."""
    int8: Path
    """pose.int8.onnx, as `python -m calibrate pose` wrote it; the file is written anew."""
    frames: Path
    """Video, folder of videos or folder of images of people, better more than what was calibrated on."""
    pictures: int = 400
    """How many are kept of each video or folder, evenly spread."""
    steps: int = 400
    """Steps of the training."""
    batch: int = 4
    """Pictures a step."""
    learning_rate: float = 3e-4
    """At its height, of the largest weight of a channel, whose eight bits are steps of 1/127; it falls to 0."""
    minutes: float = 0.0
    """Stop after so long, with the rate falling as if that were the end; 0 for never."""
    hardware: Hardware = field(default_factory=Hardware)
    """What to train on: one CPU or one GPU."""
    seed: int = 0
    """Of the cuts and their order."""

    def __post_init__(self) -> None:
        if min(self.pictures, self.steps, self.batch) < 1 or self.learning_rate <= 0 or self.minutes < 0:
            raise ConfigError("pictures, steps, batch and learning_rate start above 0", hint="leave them out")
        if self.hardware.devices * self.hardware.nodes > 1 or self.hardware.precision != "32-true":
            raise ConfigError("a pose network is trained on one device in float32", hint="leave out --hardware")


def quantise_aware_pose(config: PoseFineTuningConfig) -> None:
    """Train, and write the INT8 file with the same Q/DQ pairs and new weights.

    Raises EngineError for networks that do not belong together, DataError where there are no pictures or the training
    diverged; the file is then left as it was.
    """
    teacher = open_engine(config.network, threads=config.hardware.threads)
    (given,) = teacher.inputs
    if given.dtype != np.uint8 or len(given.shape) != 4 or given.shape[3] != 3 or None in given.shape[1:]:
        raise EngineError("does not take pictures (1, H, W, 3) of bytes", where=config.network)
    maps = [output.name for output in teacher.outputs if output.name != PEAKS]
    device, student = launch(config.hardware).device, QuantisedGraph(config.int8, maps)
    student.to(device)
    cutter = Cutter(_pictures(config), (int(given.shape[2] or 0), int(given.shape[1] or 0)), config.seed)
    checked = cutter.cuts(CHECKED)
    scales = [_scale(wanted).to(device) for wanted in _maps(teacher, maps, checked)]
    optimiser = torch.optim.Adam(student.parameters(), lr=config.learning_rate)
    before, start = _distance(student, teacher, maps, checked, scales), time.monotonic()
    for step in track(range(config.steps), "training in eight bits", console=console):
        done = max(step / config.steps, (time.monotonic() - start) / (60 * config.minutes) if config.minutes else 0)
        if done >= 1:
            break
        optimiser.param_groups[0]["lr"] = config.learning_rate * _rate(done)
        loss = _loss(student, teacher, maps, cutter.cuts(config.batch), scales)
        if not torch.isfinite(loss):
            raise DataError(f"the loss is {loss.item()} at step {step}", where=config.int8, hint="lower learning_rate")
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    after = _distance(student, teacher, maps, checked, scales)
    student.cpu().write(config.int8)
    _note(config.int8.with_suffix(".json"), step + 1)
    console.print(
        f"{config.int8}: distance from FP32's maps {before:.4f} before, {after:.4f} after {step + 1} steps, as part of "
        "their variance; count people with `python -m calibrate verify-pose`"
    )


class Cutter:
    """Random parts of pictures at a network's size, mirrored half of the time."""

    def __init__(self, pictures: Sequence[Image], size: tuple[int, int], seed: int) -> None:
        self._pictures, self._size = pictures, size
        self._random = np.random.default_rng(seed)

    def cuts(self, count: int) -> Image:
        """(count, H, W, 3) uint8 BGR."""
        return np.stack([self._cut(self._pictures[i]) for i in self._random.integers(0, len(self._pictures), count)])

    def _cut(self, picture: Image) -> Image:
        # Each side on its own: a device squeezes a wide picture into the network's square.
        height, width = (int(side * self._random.uniform(0.5, 1)) for side in picture.shape[:2])
        top, left = (
            int(self._random.integers(0, s - n + 1)) for s, n in zip(picture.shape, (height, width), strict=False)
        )
        part = cv2.resize(picture[top : top + height, left : left + width], self._size, interpolation=cv2.INTER_AREA)
        return np.asarray(part[:, ::-1] if self._random.random() < 0.5 else part, np.uint8)


def _pictures(config: PoseFineTuningConfig) -> list[Image]:
    videos = (
        sorted(p for p in config.frames.iterdir() if p.suffix.lower() in SUFFIXES) if config.frames.is_dir() else []
    )
    found: list[Image] = []
    for source in videos or [config.frames]:
        found += _spread(source, config.pictures)
    return found


def _spread(source: Path, most: int) -> list[Image]:
    """At most ``most`` pictures, evenly spread, none with a longer side than twice what pose networks take."""
    kept: list[Image] = []
    every, opened = 1, open_source(str(source))
    try:
        for number, frame in enumerate(opened):
            if number % every:
                continue
            if len(kept) == most:
                kept, every = kept[::2], 2 * every
                if number % every:
                    continue
            shrink = min(1.0, 512 / max(frame.image.shape[:2]))
            small = cv2.resize(frame.image, None, fx=shrink, fy=shrink, interpolation=cv2.INTER_AREA)
            kept.append(np.asarray(small, np.uint8))
    finally:
        opened.close()
    return kept


def _rate(done: float) -> float:
    """Part of the learning rate when so much of the training is done, 0..1: up in a line, then down half a cosine."""
    if done < WARM_UP:
        return done / WARM_UP
    return float(1 + np.cos(np.pi * (done - WARM_UP) / (1 - WARM_UP))) / 2


def _maps(teacher: Engine, maps: Sequence[str], cuts: Image) -> list[Tensor]:
    given = [teacher.run({teacher.inputs[0].name: cut[None]}) for cut in cuts]
    return [torch.from_numpy(np.concatenate([each[name] for each in given])) for name in maps]


def _scale(maps: Tensor) -> Tensor:
    """(1, C, 1, 1) variance of each channel of (N, C, h, w)."""
    variance = maps.var(dim=(0, 2, 3), keepdim=True)
    return variance.clamp_min(QUIET * float(variance.mean()) + 1e-12)


def _loss(
    student: QuantisedGraph, teacher: Engine, maps: Sequence[str], cuts: Image, scales: Sequence[Tensor]
) -> Tensor:
    """Mean over the maps of the squared distance from the teacher's, as part of each channel's variance."""
    device = scales[0].device
    wanted = _maps(teacher, maps, cuts)
    given = student(torch.from_numpy(cuts).to(device))
    distances = [((g - w.to(device)) ** 2 / s).mean() for g, w, s in zip(given, wanted, scales, strict=True)]
    return torch.stack(distances).mean()


@torch.no_grad()
def _distance(
    student: QuantisedGraph, teacher: Engine, maps: Sequence[str], cuts: Image, scales: Sequence[Tensor]
) -> float:
    return float(np.mean([float(_loss(student, teacher, maps, cuts[i : i + 1], scales)) for i in range(len(cuts))]))


def _note(record: Path, steps: int) -> None:
    """Write the training into the record that calibration left, where it did."""
    if record.is_file():
        known = json.loads(record.read_text(encoding="utf-8"))
        with replacing(record) as partial:
            partial.write_text(json.dumps({**known, "quantise_aware_steps": steps}, indent=2) + "\n", encoding="utf-8")
