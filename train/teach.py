"""The two trainings: a teacher on HQ skeletons, and a student on LQ skeletons of the same clips."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import nn

from edge.cli.console import console
from edge.contract.bundle import sha256_of
from edge.contract.errors import ConfigError
from train.checkpoint import Checkpoint, build_network, load_checkpoint, load_trained
from train.configuration import StudentConfig, TeacherConfig, Training
from train.data.clip import SkeletonSet, hold_out
from train.data.configuration import DataConfig
from train.data.corruption.fitted_errors import checksum_of_errors
from train.data.pairs import PairDataset, clip_layout
from train.data.registry import read_dataset
from train.distillation.methods import Method, method
from train.evaluate import Accuracy, accuracy, predict
from train.fit import Run, fit
from train.hardware import launch
from train.networks.registry import default_width
from train.networks.release import load_release
from train.report import Baseline, read_report, report_table, write_report
from train.step import Batch, Distillation, distillation_losses, task_losses


def train_teacher(config: TeacherConfig) -> Accuracy:
    """Train as configured and write a run folder; see :func:`train.fit.fit`."""
    data = read_dataset(config.data)
    fabric = launch(config.hardware)
    torch.manual_seed(config.seed)
    about = _about(config, data) | {"see": config.see, "weights": None}
    network = _network(about)
    if config.weights is not None:
        load_release(network, config.weights)
        about["weights"] = sha256_of(config.weights)

    def loss_function(batch: Batch) -> dict[str, torch.Tensor]:
        return task_losses(network, batch.high if config.see == "hq" else batch.low, batch.targets, fabric)

    run = Run(
        out=config.out, see=config.see, network=network, extra=nn.Module(), loss_function=loss_function,
        method=Method(), **_pairs(config, data, config.data), optimiser=config.optimiser, seed=config.seed, about=about,
        hardware=config.hardware,
    )  # fmt: skip
    return write_results(run, fit(run, fabric), fabric, f"{config.network} on {config.see.upper()}")


def train_student(config: StudentConfig) -> Accuracy:
    """Distil as configured and write a run folder; see :func:`train.fit.fit`."""
    how = method(config.method)
    data = read_dataset(config.data)
    teacher_run = load_trained(config.teacher)
    fabric = launch(config.hardware)
    torch.manual_seed(config.seed)
    about = _about(config, data) | {"see": "lq", "method": config.method, **asdict(how)}
    about["teacher"] = teacher_run.fingerprint()
    require_same_data(teacher_run, about, config.teacher)
    baseline = None if config.baseline is None else _read_baseline(config.baseline, about["classes"])
    student, teacher = _network(about), teacher_run.rebuild(config.teacher).requires_grad_(False)
    teacher.to(fabric.device, config.hardware.dtype)
    adapter = nn.Conv2d(_feature_channels(student), _feature_channels(teacher), 1)
    distillation = Distillation(teacher, adapter, how.losses)
    source = config.data
    if how.redraw is not None:
        source = replace(source, pairs=replace(source.pairs, redraw=how.redraw))
    run = Run(
        out=config.out, see="lq", network=student, extra=adapter,
        loss_function=lambda batch: distillation_losses(student, distillation, batch, fabric), method=how,
        **_pairs(config, data, source), optimiser=config.optimiser, seed=config.seed, about=about,
        hardware=config.hardware,
    )  # fmt: skip
    result = fit(run, fabric)
    if baseline is None:
        teacher_on_lq = accuracy(predict(teacher, run.test, see="lq"), run.test.labels)
        baseline = "the teacher on LQ", teacher_on_lq.per_class(about["classes"])
    return write_results(run, result, fabric, f"{config.network} on LQ, taught by {config.teacher.name}", baseline)


def _about(config: Training, data: SkeletonSet) -> dict[str, Any]:
    """``about`` of a checkpoint, in plain types: enough to rebuild the network and to refuse other data."""
    return {
        "network": config.network,
        "width": default_width(config.network) if config.width is None else config.width,
        "source": config.data.dataset,
        "clips_per_class": config.data.clips_per_class,
        "scenes": config.data.scenes,
        "source_split": config.data.split,
        "dataset": data.name,
        "split": data.split,
        "train_clips": len(data.part(True)),
        "test_clips": len(data.part(False)),
        "classes": list(data.classes),
        "layout": clip_layout(data, config.data.pairs),
        "bodies": len(data.clips[0].joints),
        "pairs": asdict(config.data.pairs),
        **checksum_of_errors(config.data.pairs.fitted_errors),
        "processes": config.hardware.devices * config.hardware.nodes,
        "precision": config.hardware.precision,
    }


def _network(about: dict[str, Any]) -> nn.Module:
    frames = about["pairs"]["preprocessing"]["length_frames"]
    if frames % 4:
        raise ConfigError(
            f"clips of {frames} frames cannot be halved twice, as the networks do",
            hint="give --data.pairs.preprocessing.length_frames a multiple of 4",
        )
    return build_network(about)


def _pairs(config: Training, data: SkeletonSet, source: DataConfig) -> dict[str, Any]:
    """The parts of the data, by their field of :class:`Run`."""
    training, validation = data, None
    if config.optimiser.patience:
        training, held = hold_out(data, config.optimiser.held_out)
        validation = PairDataset(held, source.pairs, train=False, seed=0)
    return {
        "train": PairDataset(training, source.pairs, train=True, seed=config.seed),
        "validation": validation,
        "test": PairDataset(data, source.pairs, train=False, seed=0),
    }


def _feature_channels(network: nn.Module) -> int:
    features = network.features
    assert isinstance(features, int)
    return features


def require_same_data(teacher: Checkpoint, about: dict[str, Any], folder: Path) -> None:
    """Raise ConfigError unless the teacher in ``folder`` was trained on the data that ``about`` describes."""
    for key in ("classes", "layout", "bodies"):
        if teacher.about[key] != about[key]:
            raise ConfigError(
                f"the teacher was trained with other {key}", where=folder, hint="train a teacher on the same data"
            )
    ours, theirs = about["pairs"]["preprocessing"], teacher.about["pairs"]["preprocessing"]
    if differing := [key for key in ours if ours[key] != theirs.get(key)]:
        raise ConfigError(
            f"the teacher was trained with preprocessing {differing[0]} = {theirs.get(differing[0])}, "
            f"the student would have {ours[differing[0]]}",
            where=folder,
            hint="train both with the same preprocessing",
        )


def _read_baseline(folder: Path, classes: list[str]) -> Baseline:
    accuracy_by_class: dict[str, float] = read_report(folder).get("per_class", {})
    if list(accuracy_by_class) != classes:
        raise ConfigError(
            "the baseline was trained with other classes", where=folder, hint="give a run on the same data"
        )
    return folder.name, accuracy_by_class


def write_results(run: Run, result: Accuracy, fabric: Fabric, what: str, baseline: Baseline | None = None) -> Accuracy:
    """Write and print the report, in the first process only; returns ``result``."""
    if fabric.is_global_zero:
        history = load_checkpoint(run.out).history
        write_report(run.out, run.about, history, result, baseline)
        console.print(report_table(what, run.about["classes"], result, baseline))
        console.print(f"{what}: top-1 {result.top1 * 100:.2f} %, report in {run.out}")
    fabric.barrier()
    return result
