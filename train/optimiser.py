"""Optimiser settings: epochs, batches, learning rate schedule, early stopping."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from edge.contract.intervals import require_in

RELEASE_STEPS = (30 / 55, 40 / 55, 50 / 55)
"""Points at which the release multiplies the learning rate by 0.1, as fractions of its 55 epochs."""


@dataclass(frozen=True)
class Optimiser:
    """SGD with Nesterov momentum 0.9, by default with the settings of the paper's release."""

    epochs: int = 55
    """Passes over the training clips."""
    batch: int = 32
    """Clips per batch, of each process."""
    accumulate: int = 1
    """Batches per step, whose gradients are averaged: a large effective batch for a small GPU."""
    learning_rate: float = 0.1
    """Learning rate at the start."""
    weight_decay: float = 1e-4
    """L2 penalty."""
    schedule: Literal["release", "cosine"] = "release"
    """release: x0.1 at 30/55, 40/55 and 50/55 of the epochs. cosine: half a cosine down to 0 after a short warm-up."""
    label_smoothing: float = 0.0
    """Share of the label spread over the other classes."""
    balanced: bool = False
    """Draw classes, not clips, with equal probability, for datasets with classes of different sizes."""
    average: float = 0.0
    """Decay per step of an exponential moving average of the weights, which is then tested and kept. 0 keeps the last
    weights; 0.999 averages over about the last thousand steps."""
    patience: int = 0
    """Stop after this many epochs without a better accuracy on held-out training clips; 0 never stops early."""
    held_out: float = 0.1
    """Share of each class's training clips that is held out if patience is set."""

    def __post_init__(self) -> None:
        # BatchNorm needs two clips.
        require_in(self, epochs="[1, inf)", batch="[2, inf)", accumulate="[1, inf)", patience="[0, inf)")
        require_in(self, learning_rate="(0, inf)", weight_decay="[0, inf)", label_smoothing="[0, 1)")
        require_in(self, average="[0, 1)", held_out="(0, 1)")

    def learning_rate_at(self, progress: float) -> float:
        """Learning rate at a fraction 0..1 of the run."""
        if self.schedule == "release":
            return float(self.learning_rate * 0.1 ** sum(progress >= step for step in RELEASE_STEPS))
        warm_up = min(progress / 0.05, 1.0)
        return float(self.learning_rate * warm_up * (1 + np.cos(np.pi * progress)) / 2)

    def build(self, parameters: Iterable[Any]) -> Any:
        """PyTorch's optimiser for these parameters."""
        import torch  # only here, see train/configuration.py

        return torch.optim.SGD(
            parameters, lr=self.learning_rate, momentum=0.9, nesterov=True, weight_decay=self.weight_decay
        )
