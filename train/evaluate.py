"""Accuracy of a network on one part of a dataset."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from edge.bench.accuracy_figures import accuracy_figures
from edge.contract.errors import ConfigError
from train.data.pairs import PairDataset

BATCH = 64


@dataclass(frozen=True)
class Accuracy:
    """Accuracies 0..1, and the confusion matrix (K, K): rows are true classes, columns predicted ones."""

    top1: float
    top5: float
    mean_class: float
    confusion: NDArray[np.int64]

    def summary(self) -> dict[str, float]:
        """What the manifest of a bundle has, rounded."""
        return {"top1": round(self.top1, 4), "mean_class": round(self.mean_class, 4)}

    def per_class(self, classes: Sequence[str]) -> dict[str, float]:
        """Share of each class's clips that were predicted correctly; 0 for a class without clips."""
        correct = self.confusion.diagonal() / np.maximum(self.confusion.sum(axis=1), 1)
        return dict(zip(classes, correct.round(4).tolist(), strict=True))


def predict(network: nn.Module, pairs: PairDataset, *, see: str) -> NDArray[np.float32]:
    """Logits (N, K) of every clip in order. see: "lq" or "hq". Raises ConfigError if one is not finite."""
    network.eval()
    weight = next(network.parameters())
    batches = []
    with torch.inference_mode():
        for start in range(0, len(pairs), BATCH):
            low, high, _ = pairs.batch(np.arange(start, min(start + BATCH, len(pairs))))
            clips = torch.from_numpy(low if see == "lq" else high).to(weight)
            batches.append(network(clips)[0].cpu().float().numpy())
    logits: NDArray[np.float32] = np.concatenate(batches)
    # If the last step diverged, no loss shows it: the losses were computed before that step.
    if not np.isfinite(logits).all():
        raise ConfigError(
            "the network's logits are not finite: training diverged", hint="lower --optimiser.learning_rate"
        )
    return logits


def accuracy(logits: NDArray[np.float32], labels: NDArray[np.int64]) -> Accuracy:
    """Accuracy of logits (N, K) against labels (N,). ``mean_class`` leaves out classes without clips."""
    found = accuracy_figures(logits, labels)
    return Accuracy(found.top1 / 100, found.top5 / 100, found.mean_per_class / 100, found.confusion)
