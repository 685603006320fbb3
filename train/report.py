"""Report of a training: report.json, plots, and a table for the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from rich.table import Table

from edge.contract.errors import DataError
from edge.contract.files import atomic_write, write_json
from edge.contract.reading import read_json
from train.evaluate import Accuracy

REPORT = "report.json"
MAX_INCHES = 30.0
"""Largest side of a plot: at full size, the confusion matrix of 400 classes takes 12 GB to draw."""
POINTS_PER_INCH = 72

Baseline = tuple[str, dict[str, float]]
"""Name of the run to compare with, and its accuracy 0..1 by class."""


def write_report(
    folder: Path, about: dict[str, Any], history: list[dict[str, float]], result: Accuracy, baseline: Baseline | None
) -> None:
    """Write report.json, confusion.png, curves.png and, with a baseline, gain.png into a run's folder."""
    per_class = result.per_class(about["classes"])
    scores = {"top1": result.top1, "top5": result.top5, "mean_class": result.mean_class, "per_class": per_class}
    write_json(folder / REPORT, {"about": about, **scores, "history": history})
    _confusion(folder / "confusion.png", result.confusion, about["classes"])
    _curves(folder / "curves.png", history)
    if baseline is not None:
        _gain(folder / "gain.png", per_class, *baseline)


def read_report(folder: Path) -> dict[str, Any]:
    """Read the report of a finished run. Raises DataError if there is none."""
    path = folder / REPORT
    if not path.exists():
        raise DataError(
            "no finished run here: report.json is missing", where=folder, hint="give the folder of a run that ended"
        )
    return read_json(path, DataError, "run the training again")


def report_table(title: str, classes: Sequence[str], result: Accuracy, baseline: Baseline | None) -> Table:
    """Clips and accuracy by class, the least accurate first, and in total."""
    table = Table("class", "clips", "accuracy %", title=title, show_footer=True)
    clips = result.confusion.sum(axis=1)
    per_class = result.per_class(classes)
    gains = {} if baseline is None else {name: (per_class[name] - baseline[1][name]) * 100 for name in classes}
    if baseline is not None:
        overall = np.average([gains[name] for name in classes], weights=clips)
        table.add_column(f"gain over {baseline[0]}", footer=f"{overall:+.2f}")
    for name, count in sorted(zip(classes, clips, strict=True), key=lambda row: per_class[row[0]]):
        gain = [f"{gains[name]:+.1f}"] if gains else []
        table.add_row(name, str(count), f"{per_class[name] * 100:.1f}", *gain)
    for column, footer in zip(table.columns, ("all", str(clips.sum()), f"{result.top1 * 100:.2f}"), strict=False):
        column.footer = footer
    return table


def _gain(path: Path, per_class: dict[str, float], name: str, baseline: dict[str, float]) -> None:
    """One bar per class: points gained (right) or lost (left) against the baseline."""
    gains = sorted(((per_class[label] - baseline[label]) * 100, label) for label in per_class)
    figure = Figure(figsize=(7, 0.28 * len(gains) + 1.4), layout="constrained")
    axes = figure.subplots()
    colours = ["tab:red" if gain < 0 else "tab:blue" for gain, _ in gains]
    axes.barh([label for _, label in gains], [gain for gain, _ in gains], color=colours)
    axes.axvline(0, color="black", linewidth=0.8)
    axes.set_xlabel(f"gain over {name}, accuracy points")
    axes.margins(y=0.02)
    axes.grid(axis="x", alpha=0.3)
    _save(figure, path)


def _confusion(path: Path, counts: NDArray[np.int64], classes: tuple[str, ...]) -> None:
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    size = min(max(5.0, 0.32 * len(classes) + 2), MAX_INCHES)
    font_size = min(10.0, 0.75 * size * POINTS_PER_INCH / len(classes))
    figure = Figure(figsize=(size, size), layout="constrained")
    axes = figure.subplots()
    axes.imshow(share, vmin=0, vmax=1, cmap="Blues")
    axes.set_xticks(range(len(classes)), classes, rotation=90, fontsize=font_size)
    axes.set_yticks(range(len(classes)), classes, fontsize=font_size)
    axes.set_xlabel("predicted class")
    axes.set_ylabel("true class")
    for row, column in zip(*np.nonzero(share >= 0.05), strict=True):
        colour = "white" if share[row, column] > 0.5 else "black"
        axes.text(
            column, row, f"{share[row, column] * 100:.0f}", ha="center", va="center", size=0.6 * font_size, color=colour
        )
    _save(figure, path)


def _curves(path: Path, history: list[dict[str, float]]) -> None:
    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.subplots()
    for name in [key for key in history[0] if key not in ("epoch", "seconds", "validation")]:
        axes.plot([epoch["epoch"] for epoch in history], [epoch[name] for epoch in history], label=name)
    axes.set_xlabel("epoch")
    axes.set_ylabel("loss")
    axes.set_yscale("log", subs=[2, 5])
    axes.yaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_minor_formatter("{x:g}")
    axes.legend(frameon=False)
    axes.grid(alpha=0.3)
    _save(figure, path)


def _save(figure: Figure, path: Path) -> None:
    with atomic_write(path) as partial:
        figure.savefig(partial, dpi=130)
