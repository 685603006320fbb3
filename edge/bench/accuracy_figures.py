"""From logits and labels to top-1, top-5, mean per class and confusion."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge.contract.types import Float32


@dataclass(frozen=True)
class Accuracy:
    """Percent. per_class: top-1 of each class, NaN where it has no clip; mean_per_class: their mean without those.

    confusion: (K, K) clips, rows the label, columns the decision.
    """

    top1: float
    top5: float
    mean_per_class: float
    per_class: NDArray[np.float64]
    confusion: NDArray[np.int64]


def accuracy_figures(logits: Float32, labels: NDArray[np.int64]) -> Accuracy:
    """logits: (N, K). labels: (N,), 0..K-1. Equal logits count for the class that comes first."""
    classes = logits.shape[1]
    order = np.argsort(-logits, axis=1, kind="stable")
    hits = order == labels[:, None]
    confusion = np.zeros((classes, classes), np.int64)
    np.add.at(confusion, (labels, order[:, 0]), 1)
    counts = confusion.sum(axis=1)
    per_class = np.where(counts > 0, 100 * confusion.diagonal() / np.maximum(counts, 1), np.nan)
    return Accuracy(
        float(100 * hits[:, 0].mean()),
        float(100 * hits[:, :5].any(axis=1).mean()),
        float(np.nanmean(per_class)),
        per_class,
        confusion,
    )
