"""Compute top-1, top-5, mean per class and the confusion matrix from logits and labels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge.contract.types import Float32


@dataclass(frozen=True)
class Predictions:
    """student: its description. scores: (N, K) logits or probabilities, NaN where nothing was decided."""

    student: str
    scores: Float32


@dataclass(frozen=True)
class Accuracy:
    """In percent of all samples. per_class: top-1 of each class, NaN without samples; mean_per_class: their mean.

    confusion: (K, K) counts, rows are labels, columns decisions. undecided: samples without a decision, which count as
    wrong and are not in the confusion matrix.
    """

    top1: float
    top5: float
    mean_per_class: float
    per_class: NDArray[np.float64]
    confusion: NDArray[np.int64]
    undecided: int


def accuracy_figures(scores: Float32, labels: NDArray[np.int64]) -> Accuracy:
    """scores: (N, K), a row of NaN where nothing was decided. labels: (N,), 0..K-1. Ties go to the lower class."""
    classes = scores.shape[1]
    decided = np.asarray(np.isfinite(scores).all(axis=1))
    order = np.argsort(-scores, axis=1, kind="stable")
    hits = (order == labels[:, None]) & decided[:, None]
    confusion = np.zeros((classes, classes), np.int64)
    np.add.at(confusion, (labels[decided], order[decided, 0]), 1)
    counts = np.bincount(labels, minlength=classes)
    per_class = np.where(counts > 0, 100 * confusion.diagonal() / np.maximum(counts, 1), np.nan)
    return Accuracy(
        float(100 * hits[:, 0].mean()),
        float(100 * hits[:, :5].any(axis=1).mean()),
        float(np.nanmean(per_class)),
        per_class,
        confusion,
        int((~decided).sum()),
    )


def agreement(scores: Float32, others: Float32) -> float:
    """Percent of samples with the same decision, or none, in both. scores, others: (N, K), NaN rows as above."""
    return float(100 * (decisions(scores) == decisions(others)).mean())


def decisions(scores: Float32) -> NDArray[np.int64]:
    """(N,) the likeliest class of scores (N, K), -1 for a row of NaN."""
    return np.where(np.isfinite(scores).all(axis=1), np.argmax(scores, axis=1), -1)
