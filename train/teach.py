"""The two trainings: a teacher on good skeletons, a student on poor ones of the same clips."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import nn

from edge.command_line import console
from edge.contract.errors import ConfigError
from edge.contract.layouts import layout
from train.checkpoint import Checkpoint, load_checkpoint
from train.data.clip import SkeletonSet
from train.data.pairs import Pairs, clip_layout
from train.data.registry import DataConfig, read_dataset
from train.evaluate import Accuracy
from train.fit import Optimiser, Run, fit
from train.losses import DISTILLATION
from train.networks.registry import build, default_width
from train.networks.release import load_release
from train.step import Batch, Teaching, distillation_step, task_step


@dataclass(frozen=True)
class TeacherConfig:
    """Train a network on one quality of skeletons with cross entropy alone."""

    out: Path
    """Folder of the run: checkpoint and report. A run that was interrupted there goes on."""
    data: DataConfig = field(default_factory=DataConfig)
    """What to train on."""
    network: str = "shift_gcn_teacher"
    """shift_gcn_teacher, shift_gcn_student, dense_gcn, dense_gcn_s, dense_gcn_m or dense_gcn_l."""
    width: int | None = None
    """Channels of the first units; by default the network's own."""
    see: Literal["hq", "lq"] = "hq"
    """Quality of the skeletons; lq gives the baseline that a distilled student is compared with."""
    weights: Path | None = None
    """Start from a checkpoint of a public Shift-GCN release (.pt); training goes on from there."""
    optimiser: Optimiser = field(default_factory=Optimiser)
    """Length and rates of the training."""
    seed: int = 0
    """Of weights, order and corruption."""
    threads: int = 0
    """CPU threads; 0 for as many as there are cores."""


@dataclass(frozen=True)
class StudentConfig:
    """Distil a student that reads LQ clips from a teacher that reads HQ clips."""

    out: Path
    """Folder of the run: checkpoint and report. A run that was interrupted there goes on."""
    teacher: Path
    """Folder of the teacher's run."""
    data: DataConfig = field(default_factory=DataConfig)
    """What to train on: what the teacher was trained on."""
    network: str = "dense_gcn"
    """dense_gcn and its sizes _s, _m, _l (made for INT8 and TensorRT) or shift_gcn_student (the paper's)."""
    width: int | None = None
    """Channels of the first units; by default the network's own."""
    losses: tuple[str, ...] = ("logits", "vertices", "edges")
    """Distillation losses beside the cross entropy; the paper's are all three."""
    revise: bool = True
    """Gradient revision: imitation may not oppose the task."""
    optimiser: Optimiser = field(default_factory=Optimiser)
    """Length and rates of the training."""
    seed: int = 0
    """Of weights, order and corruption."""
    threads: int = 0
    """CPU threads; 0 for as many as there are cores."""


def train_teacher(config: TeacherConfig) -> Accuracy:
    """Train as configured and leave a run folder; see :func:`train.fit.fit`."""
    data = read_dataset(config.data)
    _start(config.threads, config.seed)
    about = _about(config.network, config.width, config.data, data)
    network = _network(about)
    if config.weights is not None:
        load_release(network, config.weights)
    smoothing = config.optimiser.label_smoothing

    def step(batch: Batch) -> dict[str, float]:
        return task_step(network, batch.high if config.see == "hq" else batch.low, batch.labels, smoothing)

    about["see"] = config.see
    run = Run(
        out=config.out, see=config.see, network=network, extra=nn.Module(), step=step,
        train=Pairs(data, config.data.pairs, train=True, seed=config.seed),
        test=Pairs(data, config.data.pairs, train=False, seed=0),
        optimiser=config.optimiser, seed=config.seed, about=about,
    )  # fmt: skip
    return _told(fit(run), config.out, f"{config.network} on {config.see.upper()}")


def train_student(config: StudentConfig) -> Accuracy:
    """Distil as configured and leave a run folder; see :func:`train.fit.fit`."""
    if unknown := [name for name in config.losses if name not in DISTILLATION]:
        raise ConfigError(f"unknown loss {unknown[0]!r}", hint=f"known losses: {', '.join(DISTILLATION)}")
    data = read_dataset(config.data)
    taught = load_checkpoint(config.teacher)
    _start(config.threads, config.seed)
    about = _about(config.network, config.width, config.data, data)
    _refuse_foreign(taught, about, config.teacher)
    student, teacher = _network(about), taught.rebuild().requires_grad_(False)
    adapter = nn.Conv2d(_features(student), _features(teacher), 1)
    teaching = Teaching(teacher, adapter, config.losses, config.revise)
    smoothing = config.optimiser.label_smoothing
    about |= {"see": "lq", "losses": list(config.losses), "revise": config.revise}
    run = Run(
        out=config.out, see="lq", network=student, extra=adapter,
        step=lambda batch: distillation_step(student, teaching, batch, smoothing),
        train=Pairs(data, config.data.pairs, train=True, seed=config.seed),
        test=Pairs(data, config.data.pairs, train=False, seed=0),
        optimiser=config.optimiser, seed=config.seed, about=about,
    )  # fmt: skip
    return _told(fit(run), config.out, f"{config.network} on LQ, taught by {config.teacher.name}")


def _start(threads: int, seed: int) -> None:
    torch.set_num_threads(threads or os.cpu_count() or 1)
    torch.manual_seed(seed)


def _about(network: str, width: int | None, config: DataConfig, data: SkeletonSet) -> dict[str, Any]:
    """What a checkpoint keeps, in plain types: enough to rebuild the network and to refuse other data."""
    return {
        "network": network,
        "width": default_width(network) if width is None else width,
        "source": config.dataset,
        "clips_per_class": config.clips_per_class,
        "scenes": config.scenes,
        "source_split": config.split,
        "dataset": data.name,
        "split": data.split,
        "train_clips": len(data.part(True)),
        "test_clips": len(data.part(False)),
        "classes": list(data.classes),
        "layout": clip_layout(data, config.pairs),
        "bodies": max(clip.joints.shape[0] for clip in data.clips),
        "pairs": asdict(config.pairs),
    }


def _network(about: dict[str, Any]) -> nn.Module:
    frames = about["pairs"]["preprocessing"]["length_frames"]
    if frames % 4:
        raise ConfigError(
            f"clips of {frames} frames do not halve twice, as the networks do with them",
            hint="give --data.pairs.preprocessing.length_frames a multiple of 4",
        )
    return build(
        about["network"],
        classes=len(about["classes"]),
        layout=layout(about["layout"]),
        bodies=about["bodies"],
        width=about["width"],
    )


def _features(network: nn.Module) -> int:
    features = network.features
    assert isinstance(features, int)
    return features


def _refuse_foreign(taught: Checkpoint, about: dict[str, Any], folder: Path) -> None:
    for key in ("classes", "layout", "bodies"):
        if taught.about[key] != about[key]:
            raise ConfigError(
                f"the teacher was trained with other {key}", where=folder, hint="train a teacher on the same data"
            )
    ours, theirs = about["pairs"]["preprocessing"], taught.about["pairs"]["preprocessing"]
    if differing := [key for key in ours if ours[key] != theirs[key]]:
        raise ConfigError(
            f"the teacher was trained with preprocessing {differing[0]} = {theirs[differing[0]]}, "
            f"the student would have {ours[differing[0]]}",
            where=folder,
        )


def _told(result: Accuracy, out: Path, what: str) -> Accuracy:
    console.print(
        f"{what}: top-1 {result.top1 * 100:.2f} %, mean per class {np.round(result.mean_class * 100, 2)} %, "
        f"report in {out}"
    )
    return result
