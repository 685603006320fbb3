"""``python -m edge bench accuracy``: measure the accuracy of students on this machine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.table import Table

from edge.bench.accuracy_figures import Accuracy, Predictions, accuracy_figures, agreement, decisions
from edge.cli.console import console
from edge.cli.exit_codes import FAILED
from edge.contract.bundle import STUDENT_FP32, Bundle, read_bundle
from edge.contract.errors import ConfigError
from edge.contract.files import require_writable, temporary_folder, write_json
from edge.contract.intervals import require_in
from edge.loop.config import RunConfig
from edge.machine import machine
from edge.pose.registry import PoseConfig
from edge.recognition.decisions import DecisionConfig
from edge.recognition.labelled_clips import labelled_clips
from edge.recognition.recogniser import STUDENTS, Precision, RecogniserConfig, open_recogniser

MINIMUMS = ("top1", "mean_per_class", "agreement")


@dataclass(frozen=True)
class AccuracyConfig:
    """Measure the accuracy of students on labelled videos or clips; exit code 1 if a required minimum is missed.

    The .npz of --clips holds clips and labels, as `python -m train export` writes test.npz, or recordings: keypoints
    (sum of length, V, 3) in pixels with scores, times_s (sum of length,), length (N,) and labels (N,).
    """

    bundle: Path
    """Bundle folder with the trained student or its engine."""
    videos: Path | None = None
    """Folder with one subfolder of videos per class; each video runs through the whole loop."""
    clips: Path | None = None
    """Labelled clips or recordings (.npz) instead of videos."""
    precision: Precision | None = None
    """int8 or fp32; by default int8 if the bundle has it."""
    beside: tuple[str, ...] = ()
    """More students to evaluate on the same poses: int8, fp32 or files, for instance [student.fp16.engine]."""
    threads: int = 0
    """CPU threads of the networks, 0 for one per core."""
    pose: PoseConfig = field(default_factory=PoseConfig)
    """Pose estimator for the videos."""
    decisions: DecisionConfig = field(default_factory=DecisionConfig)
    """When and how labels are decided in videos."""
    min_top1: float | None = None
    """Required top-1 accuracy in percent; below it the exit code is 1."""
    min_mean_per_class: float | None = None
    """Required mean per-class accuracy in percent."""
    min_agreement: float | None = None
    """Required agreement with the FP32 student's decisions in percent."""
    report: Path | None = None
    """JSON file to write."""
    confusion: Path | None = None
    """PNG file to write, with the confusion matrix."""

    def __post_init__(self) -> None:
        if (self.videos is None) == (self.clips is None):
            raise ConfigError("accuracy needs either videos or clips", hint="give --videos folder, or --clips test.npz")
        require_in(self, **{f"min_{name}": "[0, 100]" for name in MINIMUMS})


def accuracy(config: AccuracyConfig) -> None:
    """Measure, write and print; exit code 1 if a minimum was missed. Raises OutputError before anything is measured."""
    bundle = read_bundle(config.bundle)
    students, reference = _students(config, bundle)
    to_run = students if reference is None else [*students, reference]
    require_writable(config.report, config.confusion)
    videos, labels, predictions = (_on_videos if config.videos else _on_clips)(config, bundle, to_run)
    fp32 = None if reference is None else predictions.pop()
    accuracies = [accuracy_figures(one.scores, labels) for one in predictions]
    columns = [
        _figures(one, figures, fp32, predictions[0]) for one, figures in zip(predictions, accuracies, strict=True)
    ]
    columns[0]["agreement_stored"] = 100 * _stored_agreement(bundle, students[0])
    missed = missed_minimums(config, columns[0])
    first = accuracies[0]
    if config.report is not None:
        report = {"machine": machine(), "samples": len(labels), **columns[0], "missed": missed, "beside": columns[1:]}
        by_class = zip(bundle.manifest.classes, first.per_class, strict=True)
        report["per_class"] = {name: None if np.isnan(value) else round(float(value), 2) for name, value in by_class}
        report["confusion"] = first.confusion.tolist()
        if videos:
            answers = [None if k < 0 else bundle.manifest.classes[k] for k in decisions(predictions[0].scores)]
            report["videos"] = dict(zip(videos, answers, strict=True))
        write_json(config.report, report)
    if config.confusion is not None:
        from edge.bench.confusion_plot import confusion_plot
        from edge.bench.png import write_png

        write_png(config.confusion, confusion_plot(first.confusion, bundle.manifest.classes))
    console.print(_table(columns, f"{len(labels)} {'videos' if config.videos else 'clips'}"))
    if missed:
        console.print(f"missed: {', '.join(missed)}")
        raise SystemExit(FAILED)


def missed_minimums(config: AccuracyConfig, figures: Mapping[str, Any]) -> list[str]:
    """Figures that are below their minimum, or have one and could not be measured."""
    missed = []
    for name in MINIMUMS:
        minimum, value = getattr(config, f"min_{name}"), figures[name]
        if minimum is not None and (value is None or value < minimum):
            missed.append(f"{name} {'unknown' if value is None else f'{value:.2f}'} of {minimum:g}")
    return missed


def _students(config: AccuracyConfig, bundle: Bundle) -> tuple[list[RecogniserConfig], RecogniserConfig | None]:
    """The students to evaluate, and the FP32 reference, None if the bundle has none."""
    first = RecogniserConfig(config.precision, config.threads)
    known: dict[str, Precision] = {name: name for name in STUDENTS}
    beside = [
        replace(first, precision=known[name]) if name in known else replace(first, network=Path(name))
        for name in config.beside
    ]
    if STUDENT_FP32 not in bundle.manifest.files:
        return [first, *beside], None
    # The ONNX file, never an engine: the reference is the network as trained.
    return [first, *beside], replace(first, network=bundle.file(STUDENT_FP32))


def _on_clips(
    config: AccuracyConfig, bundle: Bundle, students: Sequence[RecogniserConfig]
) -> tuple[list[str], NDArray[np.int64], list[Predictions]]:
    assert config.clips is not None
    clips, labels = labelled_clips(config.clips, bundle)
    predictions = []
    for student in students:
        with closing(open_recogniser(bundle, student)) as recogniser:
            predictions.append(Predictions(recogniser.describe(), recogniser.logits(clips)))
    return [], labels, predictions


def _on_videos(
    config: AccuracyConfig, bundle: Bundle, students: Sequence[RecogniserConfig]
) -> tuple[list[str], NDArray[np.int64], list[Predictions]]:
    from edge.bench.labelled_videos import labelled_videos, predict_videos

    assert config.videos is not None
    videos, labels = labelled_videos(config.videos, bundle)
    run = RunConfig("", config.bundle, pose=config.pose, decisions=config.decisions)
    runs = [replace(run, recogniser=student) for student in students]
    names = [video.relative_to(config.videos).as_posix() for video in videos]
    with temporary_folder() as folder:
        return names, labels, predict_videos(videos, runs, folder, len(bundle.manifest.classes))


def _stored_agreement(bundle: Bundle, student: RecogniserConfig) -> float:
    with closing(open_recogniser(bundle, student)) as recogniser:
        return recogniser.self_test(bundle).agreement


def _figures(one: Predictions, found: Accuracy, fp32: Predictions | None, first: Predictions) -> dict[str, Any]:
    return {
        "student": one.student,
        "top1": found.top1,
        "top5": found.top5,
        "mean_per_class": found.mean_per_class,
        "undecided": found.undecided,
        "agreement": None if fp32 is None else agreement(one.scores, fp32.scores),
        "agreement_first": agreement(one.scores, first.scores),
    }


ROWS = {
    "top1": "top-1",
    "top5": "top-5",
    "mean_per_class": "mean per class",
    "agreement": "agreement with FP32",
    "agreement_first": "agreement with the first",
    "agreement_stored": "agreement with FP32, self-test",
}


def _table(columns: Sequence[Mapping[str, Any]], title: str) -> Table:
    table = Table("", *(str(column["student"]) for column in columns), title=title, title_justify="left")
    for key, name in ROWS.items():
        if key == "agreement_first" and len(columns) == 1:
            continue
        values = (column.get(key) for column in columns)
        table.add_row(name, *("" if value is None else f"{value:.2f} %" for value in values))
    table.add_row("undecided", *(str(column["undecided"]) for column in columns))
    return table
