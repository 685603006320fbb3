"""What a training leaves behind for people: report.json, a confusion matrix and the curves."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
from numpy.typing import NDArray

from edge.contract.files import replacing
from train.evaluate import Accuracy

matplotlib.use("Agg")


def write_report(folder: Path, about: dict[str, Any], history: list[dict[str, float]], result: Accuracy) -> None:
    """Write report.json, confusion.png and curves.png into a run's folder, each whole."""
    told = result.confusion.diagonal() / np.maximum(result.confusion.sum(axis=1), 1)
    report = {
        "about": about,
        "top1": result.top1,
        "top5": result.top5,
        "mean_class": result.mean_class,
        "per_class": dict(zip(about["classes"], told.round(4).tolist(), strict=True)),
        "history": history,
    }
    with replacing(folder / "report.json") as partial:
        partial.write_text(json.dumps(report, indent=1), encoding="utf-8")
    _confusion(folder / "confusion.png", result.confusion, about["classes"])
    _curves(folder / "curves.png", history)


def _confusion(path: Path, counts: NDArray[np.int64], classes: tuple[str, ...]) -> None:
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    size = max(5.0, 0.32 * len(classes) + 2)
    figure, axes = plt.subplots(figsize=(size, size), layout="constrained")
    axes.imshow(share, vmin=0, vmax=1, cmap="Blues")
    axes.set_xticks(range(len(classes)), classes, rotation=90)
    axes.set_yticks(range(len(classes)), classes)
    axes.set_xlabel("told")
    axes.set_ylabel("true")
    for row, column in zip(*np.nonzero(share >= 0.05), strict=True):
        colour = "white" if share[row, column] > 0.5 else "black"
        axes.text(column, row, f"{share[row, column] * 100:.0f}", ha="center", va="center", size=6, color=colour)
    _save(figure, path)


def _curves(path: Path, history: list[dict[str, float]]) -> None:
    figure, axes = plt.subplots(figsize=(7, 4), layout="constrained")
    for name in [key for key in history[0] if key not in ("epoch", "seconds")]:
        axes.plot([epoch["epoch"] for epoch in history], [epoch[name] for epoch in history], label=name)
    axes.set_xlabel("epoch")
    axes.set_ylabel("loss")
    axes.set_yscale("log")
    axes.legend(frameon=False)
    axes.grid(alpha=0.3)
    _save(figure, path)


def _save(figure: Any, path: Path) -> None:
    with replacing(path) as partial:
        figure.savefig(partial, dpi=130)
    plt.close(figure)
