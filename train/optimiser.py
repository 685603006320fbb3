"""How long and how fast a network learns."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from edge.contract.errors import ConfigError

RELEASE_STEPS = (30 / 55, 40 / 55, 50 / 55)
"""Where the release multiplies the learning rate by 0.1, as shares of its 55 epochs."""


@dataclass(frozen=True)
class Optimiser:
    """Stochastic gradient descent as in the paper's release, Nesterov momentum 0.9."""

    epochs: int = 55
    """Passes over the training clips."""
    batch: int = 32
    """Clips per batch, of each process."""
    accumulate: int = 1
    """Batches per step: their gradients are averaged, so that a small GPU can take large steps."""
    learning_rate: float = 0.1
    """Learning rate at the start."""
    weight_decay: float = 1e-4
    """L2 penalty."""
    schedule: Literal["release", "cosine"] = "release"
    """release: x0.1 at 30/55, 40/55 and 50/55 of the epochs. cosine: half a cosine down to 0 after a short warm-up."""
    label_smoothing: float = 0.0
    """Share of the label spread over the other classes."""
    balanced: bool = False
    """Draw classes, not clips, with equal probability: for datasets whose classes differ in size."""
    average: float = 0.0
    """Decay per step of a running average of the weights (EMA), which is then tested and kept; 0 keeps the last
    weights. 0.999 averages over about the last thousand steps."""
    patience: int = 0
    """Stop after so many epochs without a better accuracy on clips held out of training; 0 never stops early."""
    held_out: float = 0.1
    """Share of each class's training clips that is held out where patience is given."""

    def __post_init__(self) -> None:
        if self.epochs < 1 or self.batch < 2 or self.accumulate < 1:
            raise ConfigError(
                f"{self.epochs} epochs in steps of {self.accumulate} batches of {self.batch} train nothing",
                hint="give at least 1 epoch, 1 batch a step, and 2 clips a batch for BatchNorm",
            )
        if self.learning_rate <= 0 or self.weight_decay < 0 or not 0 <= self.label_smoothing < 1:
            raise ConfigError(
                f"learning_rate {self.learning_rate}, weight_decay {self.weight_decay} and label_smoothing "
                f"{self.label_smoothing} teach nothing",
                hint="give a rate above 0, a penalty from 0, and a share of 0 to below 1 to spread",
            )
        if not 0 <= self.average < 1 or self.patience < 0 or not 0 < self.held_out < 1:
            raise ConfigError(
                f"average {self.average}, patience {self.patience} and held_out {self.held_out} do not fit",
                hint="give an average of 0 to below 1, a patience from 0, and a share between 0 and 1 to hold out",
            )

    def rate(self, progress: float) -> float:
        """Learning rate at a share 0..1 of the run."""
        if self.schedule == "release":
            return float(self.learning_rate * 0.1 ** sum(progress >= step for step in RELEASE_STEPS))
        warm = min(progress / 0.05, 1.0)
        return float(self.learning_rate * warm * (1 + np.cos(np.pi * progress)) / 2)

    def descent(self, parameters: Iterable[Any]) -> Any:
        """PyTorch's optimiser of these parameters."""
        import torch  # see train/configuration.py

        return torch.optim.SGD(
            parameters, lr=self.learning_rate, momentum=0.9, nesterov=True, weight_decay=self.weight_decay
        )
