"""The training loop: one for teacher and student, resumable at every epoch."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch import nn

from edge.command_line import console
from edge.contract.errors import ConfigError, DataError
from train.checkpoint import FILE, Checkpoint, load_checkpoint, save_checkpoint
from train.data.pairs import Pairs
from train.evaluate import Accuracy, accuracy, predict
from train.report import write_report
from train.step import Batch

RELEASE_STEPS = (30 / 55, 40 / 55, 50 / 55)
"""Where the release multiplies the learning rate by 0.1, as shares of its 55 epochs."""


@dataclass(frozen=True)
class Optimiser:
    """Stochastic gradient descent as in the paper's release, Nesterov momentum 0.9."""

    epochs: int = 55
    """Passes over the training clips."""
    batch: int = 32
    """Clips per step."""
    learning_rate: float = 0.1
    """At the start."""
    weight_decay: float = 1e-4
    """L2 penalty."""
    schedule: Literal["release", "cosine"] = "release"
    """release: x0.1 at 30/55, 40/55 and 50/55 of the epochs. cosine: half a cosine down to 0 after a short warm-up."""
    label_smoothing: float = 0.0
    """Share of the label spread over the other classes."""
    balanced: bool = False
    """Draw classes, not clips, with equal chance: for sets whose classes differ in size."""

    def __post_init__(self) -> None:
        if self.epochs < 1 or self.batch < 2:
            raise ConfigError(
                f"{self.epochs} epochs in batches of {self.batch} train nothing",
                hint="give at least 1 epoch, and 2 clips a batch for BatchNorm",
            )

    def rate(self, progress: float) -> float:
        """Learning rate at a share 0..1 of the run."""
        if self.schedule == "release":
            return float(self.learning_rate * 0.1 ** sum(progress >= step for step in RELEASE_STEPS))
        warm = min(progress / 0.05, 1.0)
        return float(self.learning_rate * warm * (1 + np.cos(np.pi * progress)) / 2)


@dataclass(frozen=True)
class Run:
    """Everything one training needs besides the networks.

    see: which of a pair the network reads, "hq" or "lq". step: puts gradients into the parameters and
    returns the losses. extra: modules trained along but not kept in the network (the adapter).
    """

    out: Path
    see: Literal["hq", "lq"]
    network: nn.Module
    extra: nn.Module
    step: Callable[[Batch], dict[str, float]]
    train: Pairs
    test: Pairs
    optimiser: Optimiser
    seed: int
    about: dict[str, Any]
    """What rebuilds the network: name, width, classes, layout, preprocessing; kept in the checkpoint."""


def fit(run: Run) -> Accuracy:
    """Train, or go on where an interrupted run stopped; returns the accuracy on the test clips.

    Writes ``checkpoint.pt`` after every epoch and a report at the end, each whole or not at all.
    """
    if len(run.train) < 2 or len(run.test) < 1:
        raise DataError(
            f"{len(run.train)} training and {len(run.test)} test clips are too few to train and test",
            hint="give more recordings (of the generator: --data.clips_per_class)",
        )
    parameters = [*run.network.parameters(), *run.extra.parameters()]
    optimiser = torch.optim.SGD(
        parameters, lr=run.optimiser.learning_rate, momentum=0.9, nesterov=True, weight_decay=run.optimiser.weight_decay
    )
    rng = np.random.default_rng((run.seed, 0))
    history = _resume(run, optimiser, rng)
    settings = run.optimiser
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, TextColumn("{task.fields[told]}"), console=console) as progress:
        bar = progress.add_task(run.out.name, total=settings.epochs, completed=len(history), told="")
        for epoch in range(len(history), settings.epochs):
            losses, started = [], time.perf_counter()
            run.network.train()
            batches = list(_batches(run.train.labels, settings, rng))
            for i, indices in enumerate(batches):
                for group in optimiser.param_groups:
                    group["lr"] = settings.rate((epoch + i / len(batches)) / settings.epochs)
                low, high, labels = run.train.batch(indices)
                optimiser.zero_grad(set_to_none=True)
                losses.append(run.step(Batch(torch.from_numpy(low), torch.from_numpy(high), torch.from_numpy(labels))))
                optimiser.step()
            means = {name: float(np.mean([loss[name] for loss in losses])) for name in losses[0]}
            history.append({"epoch": epoch + 1, "seconds": time.perf_counter() - started, **means})
            save_checkpoint(run.out, _checkpoint(run, optimiser, rng, history))
            told = "  ".join(f"{name} {value:.3f}" for name, value in means.items())
            rate = len(run.train) / history[-1]["seconds"]
            progress.update(bar, advance=1, told=f"{told}  {rate:.0f} clips/s")
    result = accuracy(predict(run.network, run.test, see=run.see), run.test.labels)
    write_report(run.out, run.about, history, result)
    return result


def _batches(labels: NDArray[np.int64], settings: Optimiser, rng: np.random.Generator) -> Iterator[NDArray[np.int64]]:
    """One epoch of index batches; a last batch too small for BatchNorm is left out."""
    order = rng.permutation(len(labels))
    if settings.balanced:
        weights = 1 / np.bincount(labels)[labels]
        order = rng.choice(len(labels), len(labels), p=weights / weights.sum())
    for start in range(0, len(order), settings.batch):
        if len(chosen := order[start : start + settings.batch]) > 1:
            yield chosen


def _resume(run: Run, optimiser: torch.optim.Optimizer, rng: np.random.Generator) -> list[dict[str, float]]:
    """Continue from the folder's checkpoint if it has one; returns the epochs so far."""
    if not (run.out / FILE).is_file():
        return []
    found = load_checkpoint(run.out)
    found.refuse_other(run.about | {"seed": run.seed, "optimiser": asdict(run.optimiser)}, run.out)
    run.network.load_state_dict(found.network)
    run.extra.load_state_dict(found.extra)
    optimiser.load_state_dict(found.optimiser)
    rng.bit_generator.state = found.random["batches"]
    run.train.restore(found.random["pairs"])
    torch.set_rng_state(found.random["torch"])
    return found.history


def _checkpoint(
    run: Run, optimiser: torch.optim.Optimizer, rng: np.random.Generator, history: list[dict[str, float]]
) -> Checkpoint:
    return Checkpoint(
        about=run.about | {"seed": run.seed, "optimiser": asdict(run.optimiser)},
        network=run.network.state_dict(),
        extra=run.extra.state_dict(),
        optimiser=optimiser.state_dict(),
        random={"batches": rng.bit_generator.state, "pairs": run.train.state(), "torch": torch.get_rng_state()},
        history=history,
    )
