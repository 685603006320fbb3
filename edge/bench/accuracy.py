"""``python -m edge bench accuracy``: is this student, on this machine, as right as it is said to be?"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.table import Table

from edge.bench.accuracy_figures import Accuracy, accuracy_figures
from edge.bench.labelled import labelled_clips
from edge.command_line import console
from edge.contract.bundle import STUDENT_FP32, STUDENT_INT8, read_bundle
from edge.contract.errors import ConfigError
from edge.contract.files import replacing
from edge.contract.types import Float32
from edge.engines.registry import open_engine
from edge.machine import machine
from edge.recogniser import Precision, Recogniser, RecogniserConfig, SelfTest, open_recogniser

MISSED = 1
"""Exit code where a floor was missed; 2 is for a user's error."""
AT_ONCE = 64
"""Clips given to the network in a row; memory, not speed."""


@dataclass(frozen=True)
class AccuracyConfig:
    """Run labelled clips through the loop's own clip buffer and student, with floors that must be reached.

    The .npz of --clips holds clips and labels, as `python -m train export` writes test.npz, or recordings: keypoints
    (sum of length, V, 3) in pixels with scores, times_s (sum of length,), length (N,) and labels (N,).
    """

    bundle: Path
    """Bundle folder with the trained student, or with the engine built from it."""
    clips: Path
    """Labelled clips or recordings, .npz."""
    precision: Precision | None = None
    """int8 or fp32; by default int8 where the bundle has it."""
    threads: int = 0
    """CPU threads of the network, 0 for as many as there are cores."""
    min_top1: float | None = None
    """Floor of the top-1 accuracy in percent; below it the exit code is 1."""
    min_mean_per_class: float | None = None
    """Floor of the mean over classes of their top-1, in percent."""
    min_agreement: float | None = None
    """Floor of the decisions that are the FP32 student's, in percent of the clips."""
    report: Path | None = None
    """JSON file to write."""
    confusion: Path | None = None
    """PNG to write with the confusion matrix."""

    def __post_init__(self) -> None:
        for name in ("min_top1", "min_mean_per_class", "min_agreement"):
            value = getattr(self, name)
            if value is not None and not 0 <= value <= 100:
                raise ConfigError(f"{name} is {value}", hint="give percent, 0 to 100")


def accuracy(config: AccuracyConfig) -> None:
    """Measure, write and show; exit code 1 where a floor was missed."""
    bundle = read_bundle(config.bundle)
    precision: Precision = config.precision or ("int8" if STUDENT_INT8 in bundle.manifest.files else "fp32")
    clips, labels = labelled_clips(config.clips, bundle)
    recogniser = open_recogniser(bundle, RecogniserConfig(precision, config.threads))
    logits, stored, described = _logits(recogniser, clips), recogniser.self_test(bundle), recogniser.describe()
    recogniser.close()
    agreement = None
    if STUDENT_FP32 in bundle.manifest.files:
        # Of the ONNX file, never an engine: the reference is what was trained.
        reference = Recogniser(bundle, open_engine(bundle.file(STUDENT_FP32), threads=config.threads))
        agreement = float(100 * (_logits(reference, clips).argmax(1) == logits.argmax(1)).mean())
        reference.close()
    found = accuracy_figures(logits, labels)
    figures = _figures(found, agreement, stored)
    missed = missed_floors(config, figures)
    if config.report is not None:
        told = {"machine": machine(), "student": described, "clips": len(labels), **figures, "missed": missed}
        by_class = zip(bundle.manifest.classes, found.per_class, strict=True)
        told["per_class"] = {name: None if np.isnan(value) else round(float(value), 2) for name, value in by_class}
        told["confusion"] = found.confusion.tolist()
        with replacing(config.report) as partial:
            partial.write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")
    if config.confusion is not None:
        from edge.bench.confusion_picture import write_confusion

        write_confusion(config.confusion, found.confusion, bundle.manifest.classes)
    table = Table("what", "", title=f"{described}, {len(labels)} clips", title_justify="left")
    for name, value in figures.items():
        table.add_row(name, "not measured" if value is None else f"{value:.2f} %")
    table.add_row("verdict", f"missed: {', '.join(missed)}" if missed else "no floor missed")
    console.print(table)
    if missed:
        raise SystemExit(MISSED)


def _figures(found: Accuracy, agreement: float | None, stored: SelfTest) -> dict[str, float | None]:
    return {
        "top1": found.top1,
        "top5": found.top5,
        "mean_per_class": found.mean_per_class,
        "agreement": agreement,
        "agreement_stored": 100 * stored.agreement,
    }


def missed_floors(config: AccuracyConfig, figures: dict[str, Any]) -> list[str]:
    """What is below its floor, or has one and could not be measured."""
    missed = []
    for name in ("top1", "mean_per_class", "agreement"):
        floor, value = getattr(config, f"min_{name}"), figures[name]
        if floor is not None and (value is None or value < floor):
            missed.append(f"{name} {'unknown' if value is None else f'{value:.2f}'} of {floor:g}")
    return missed


def _logits(recogniser: Recogniser, clips: Float32) -> Float32:
    return np.concatenate([recogniser.logits(clips[i : i + AT_ONCE]) for i in range(0, len(clips), AT_ONCE)])
