"""The two trainings: a teacher on good skeletons, a student on poor ones of the same clips."""

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
from train.configuration import StudentConfig, TeacherConfig
from train.data.clip import SkeletonSet
from train.data.corruption.fitted_errors import checksum_of_errors
from train.data.pairs import PairDataset, clip_layout
from train.data.registry import DataConfig, read_dataset
from train.data.splits import hold_out
from train.distillation.methods import Method, method
from train.evaluate import Accuracy, accuracy, predict
from train.fit import Run, fit
from train.hardware import launch
from train.networks.registry import default_width
from train.networks.release import load_release
from train.report import read_report, report_table, write_report
from train.step import Batch, Distillation, distillation_losses, task_losses


def train_teacher(config: TeacherConfig) -> Accuracy:
    """Train as configured and leave a run folder; see :func:`train.fit.fit`."""
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
    return finished(run, fit(run, fabric), fabric, f"{config.network} on {config.see.upper()}", None)


def train_student(config: StudentConfig) -> Accuracy:
    """Distil as configured and leave a run folder; see :func:`train.fit.fit`."""
    how = method(config.method)
    data = read_dataset(config.data)
    taught = load_trained(config.teacher)
    fabric = launch(config.hardware)
    torch.manual_seed(config.seed)
    about = _about(config, data) | {"see": "lq", "method": config.method, **asdict(how)}
    about["teacher"] = taught.fingerprint()
    refuse_foreign(taught, about, config.teacher)
    before = None if config.baseline is None else _per_class(config.baseline, about["classes"])
    student, teacher = _network(about), taught.rebuild(config.teacher).requires_grad_(False)
    teacher.to(fabric.device, config.hardware.dtype)
    adapter = nn.Conv2d(_features(student), _features(teacher), 1)
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
    if before is None:
        # What the teacher itself makes of what its student reads.
        told = accuracy(predict(teacher, run.test, see="lq"), run.test.labels)
        before = "the teacher on LQ", told.per_class(about["classes"])
    return finished(run, result, fabric, f"{config.network} on LQ, taught by {config.teacher.name}", before)


def _about(config: TeacherConfig | StudentConfig, data: SkeletonSet) -> dict[str, Any]:
    """What a checkpoint keeps, in plain types: enough to rebuild the network and to refuse other data."""
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
        "bodies": max(clip.joints.shape[0] for clip in data.clips),
        "pairs": asdict(config.data.pairs),
        **checksum_of_errors(config.data.pairs.fitted_errors),
        "processes": config.hardware.devices * config.hardware.nodes,
        "precision": config.hardware.precision,
    }


def _network(about: dict[str, Any]) -> nn.Module:
    frames = about["pairs"]["preprocessing"]["length_frames"]
    if frames % 4:
        raise ConfigError(
            f"clips of {frames} frames do not halve twice, as the networks do with them",
            hint="give --data.pairs.preprocessing.length_frames a multiple of 4",
        )
    return build_network(about)


def _pairs(config: TeacherConfig | StudentConfig, data: SkeletonSet, source: DataConfig) -> dict[str, Any]:
    """The parts of the data by their names in :class:`Run`."""
    learnt, validation = data, None
    if config.optimiser.patience:
        learnt, held = hold_out(data, config.optimiser.held_out)
        validation = PairDataset(held, source.pairs, train=False, seed=0)
    return {
        "train": PairDataset(learnt, source.pairs, train=True, seed=config.seed),
        "validation": validation,
        "test": PairDataset(data, source.pairs, train=False, seed=0),
    }


def _features(network: nn.Module) -> int:
    features = network.features
    assert isinstance(features, int)
    return features


def refuse_foreign(taught: Checkpoint, about: dict[str, Any], folder: Path) -> None:
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


def _per_class(baseline: Path, classes: list[str]) -> tuple[str, dict[str, float]]:
    """Name and accuracy by class of the run that a student is compared with."""
    found: dict[str, float] = read_report(baseline)["per_class"]
    if list(found) != classes:
        raise ConfigError(
            "the baseline was trained with other classes", where=baseline, hint="give a run on the same data"
        )
    return baseline.name, found


def finished(
    run: Run, result: Accuracy, fabric: Fabric, what: str, baseline: tuple[str, dict[str, float]] | None
) -> Accuracy:
    """Leave the report, by the first process alone, and say where it is."""
    if fabric.is_global_zero:
        history = load_checkpoint(run.out).history
        write_report(run.out, run.about, history, result, baseline)
        console.print(report_table(what, run.about["classes"], result, baseline))
        console.print(f"{what}: top-1 {result.top1 * 100:.2f} %, report in {run.out}")
    fabric.barrier()
    return result
