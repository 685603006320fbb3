"""Accuracy of a network on one part of a dataset."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from edge.contract.errors import ConfigError
from train.data.pairs import PairDataset

BATCH = 64


@dataclass(frozen=True)
class Accuracy:
    """Shares 0..1 and the confusion matrix (K, K), rows true, columns told."""

    top1: float
    top5: float
    mean_class: float
    confusion: NDArray[np.int64]

    def per_class(self, classes: Sequence[str]) -> dict[str, float]:
        """Share of each class's clips that were told rightly; 0 where there is none."""
        rightly = self.confusion.diagonal() / np.maximum(self.confusion.sum(axis=1), 1)
        return dict(zip(classes, rightly.round(4).tolist(), strict=True))


def predict(network: nn.Module, pairs: PairDataset, *, see: str) -> NDArray[np.float32]:
    """Logits (N, K) for every clip in order. see: "lq" or "hq". Raises ConfigError where one is not finite."""
    network.eval()
    weight = next(network.parameters())
    logits = []
    with torch.inference_mode():
        for indices in _batches(len(pairs)):
            low, high, _ = pairs.batch(indices)
            clips = torch.from_numpy(low if see == "lq" else high).to(weight)
            logits.append(network(clips)[0].cpu().float().numpy())
    told = np.concatenate(logits)
    # The last step of a training that diverges has a finite loss: only the weights it leaves show it.
    if not np.isfinite(told).all():
        raise ConfigError(
            "the network's answers are not finite: training diverged", hint="lower --optimiser.learning_rate"
        )
    return told


def accuracy(logits: NDArray[np.float32], labels: NDArray[np.int64]) -> Accuracy:
    """Accuracy of logits (N, K) against labels (N,); classes without a clip are left out of ``mean_class``."""
    order = np.argsort(logits, axis=1, kind="stable")
    told = logits.argmax(axis=1)
    confusion = np.zeros((logits.shape[1],) * 2, np.int64)
    np.add.at(confusion, (labels, told), 1)
    clips = confusion.sum(axis=1)
    return Accuracy(
        top1=float((told == labels).mean()),
        top5=float((order[:, -5:] == labels[:, None]).any(axis=1).mean()),
        mean_class=float((confusion.diagonal()[clips > 0] / clips[clips > 0]).mean()),
        confusion=confusion,
    )


def _batches(count: int) -> Iterator[NDArray[np.int64]]:
    for start in range(0, count, BATCH):
        yield np.arange(start, min(start + BATCH, count))
