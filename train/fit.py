"""The training loop: one for teacher and student, on one process or many, resumable at every epoch."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np
import torch
from lightning_fabric import Fabric
from torch import nn
from torch.nn import functional as F
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from torch.utils.data import DataLoader, Dataset

from edge.contract.errors import ConfigError, DataError
from edge.contract.files import wrap_write_errors
from edge.contract.types import Float32
from train.checkpoint import FILE, Checkpoint, load_checkpoint, save_checkpoint
from train.configuration import Hardware
from train.data.pairs import PairDataset
from train.distillation.methods import Method
from train.evaluate import Accuracy, accuracy, predict
from train.only_training import LOCK, only_training
from train.optimiser import Optimiser
from train.order import Order
from train.progress import telling
from train.step import Batch, LossFunction, compute_gradients
from train.sync_batch_norm import synchronise
from train.torch_file import refuse_other_version

VALIDATION = "validation"
"""Accuracy on the held-out clips in the history of a run."""


@dataclass(frozen=True)
class Run:
    """Everything one training needs.

    see: which of a pair the network reads, "hq" or "lq". extra: modules trained along but not kept in the
    network (the adapter). loss_function: the losses of a batch; method: how they make one step. validation: clips
    for early stopping.
    """

    out: Path
    see: Literal["hq", "lq"]
    network: nn.Module
    extra: nn.Module
    loss_function: LossFunction
    method: Method
    train: PairDataset
    validation: PairDataset | None
    test: PairDataset
    optimiser: Optimiser
    seed: int
    about: dict[str, Any]
    """What rebuilds the network: name, width, classes, layout, preprocessing; kept in the checkpoint."""
    hardware: Hardware


@dataclass
class _State:
    """What changes while a network learns, and what a checkpoint keeps of it."""

    optimiser: torch.optim.Optimizer
    average: AveragedModel | None
    history: list[dict[str, float]] = field(default_factory=list)
    best: dict[str, Any] = field(default_factory=dict)


def fit(run: Run, fabric: Fabric) -> Accuracy:
    """Train, or go on where an interrupted run stopped; returns the accuracy on the test clips.

    Writes ``checkpoint.pt`` after every epoch, each whole or not at all, and curves for TensorBoard.
    Raises OutputError where another training goes on in the folder.
    """
    order = _order(run, fabric)
    if fabric.world_size > 1:
        synchronise(run.network)
    run.network.to(fabric.device, run.hardware.dtype)
    run.extra.to(fabric.device, run.hardware.dtype)
    with wrap_write_errors(run.out):
        run.out.mkdir(parents=True, exist_ok=True)
    with only_training(run.out / LOCK, run.out, fabric):
        run.network.load_state_dict(_learnt(run, order, fabric))
    return accuracy(predict(run.network, run.test, see=run.see), run.test.labels)


def _order(run: Run, fabric: Fabric) -> Order:
    """The batches of this process; DataError where the clips make none, or leave none to judge by."""
    settings = run.optimiser
    order = Order(
        run.train.labels, batch=settings.batch, seed=run.seed, balanced=settings.balanced,
        accumulate=settings.accumulate, rank=fabric.global_rank, world=fabric.world_size,
    )  # fmt: skip
    if len(order) < 1 or len(run.test) < 1:
        raise DataError(
            f"{len(run.train)} training and {len(run.test)} test clips are too few to train and test: a step takes "
            f"2 clips of each of {settings.accumulate} batches on each of {fabric.world_size} processes",
            hint="give more recordings (of the generator: --data.clips_per_class)",
        )
    if run.validation is not None and len(run.validation) < 1:
        raise DataError(
            f"no class has so many training clips that {settings.held_out:g} of them is one to hold out",
            hint="give a larger --optimiser.held_out",
        )
    return order


def _learnt(run: Run, order: Order, fabric: Fabric) -> dict[str, Any]:
    """The weights to use when the last epoch is over."""
    settings, about = run.optimiser, run.about | {"seed": run.seed, "optimiser": asdict(run.optimiser)}
    state = _State(settings.descent([*run.network.parameters(), *run.extra.parameters()]), _average(run))
    _resume(run, about, state)
    # Pairs is what DataLoader calls a map-style dataset, whose keys are draws.
    dataset = cast("Dataset[Any]", run.train)
    loader = DataLoader(
        dataset,
        batch_sampler=order,
        num_workers=run.hardware.workers,
        collate_fn=_stacked,
        persistent_workers=run.hardware.workers > 0,
        generator=torch.Generator(),  # its own: how often it seeds its workers must not move dropout's numbers
    )
    with telling(run.out, settings.epochs, len(state.history), fabric) as tell:
        while len(state.history) < settings.epochs and not has_settled(state.history, settings.patience):
            started = time.perf_counter()
            try:
                means = _epoch(run, state, order, loader, fabric)
            except torch.OutOfMemoryError as error:
                raise ConfigError(
                    f"the GPU has not enough memory for batches of {settings.batch} clips",
                    hint="halve optimiser.batch and double optimiser.accumulate",
                ) from error
            seconds = time.perf_counter() - started
            state.history.append({"epoch": len(state.history) + 1, "seconds": seconds, **means})
            _judge(run, state, fabric)
            if fabric.is_global_zero:
                save_checkpoint(run.out, _checkpoint(run, about, state))
            tell(state.history[-1], len(order) * settings.batch * fabric.world_size / seconds)
    return state.best


def _epoch(run: Run, state: _State, order: Order, loader: DataLoader[Any], fabric: Fabric) -> dict[str, float]:
    """Every step of one epoch; returns the mean of each loss."""
    settings, epoch = run.optimiser, len(state.history)
    own, extra = list(run.network.parameters()), list(run.extra.parameters())
    order.epoch = epoch
    # Dropout depends on these three alone, so that a resumed run repeats what it would have drawn.
    torch.manual_seed(int(np.random.SeedSequence((run.seed, epoch, fabric.global_rank)).generate_state(1)[0]))
    run.network.train()
    batches, steps, losses = _batches(run, loader, fabric), len(order) // settings.accumulate, []
    for step in range(steps):
        for group in state.optimiser.param_groups:
            group["lr"] = settings.rate((epoch + step / steps) / settings.epochs)
        losses.append(
            compute_gradients(
                run.loss_function, islice(batches, settings.accumulate), own, extra, run.method.combine, fabric
            )
        )
        state.optimiser.step()
        if state.average is not None:
            state.average.update_parameters(run.network)
    return {name: float(np.mean([loss[name] for loss in losses])) for name in losses[0]}


def _stacked(samples: Sequence[tuple[Float32, Float32, np.int64]]) -> list[torch.Tensor]:
    """LQ and HQ (N, C, T, V, M), labels (N,). Copies: clips that are kept are not to be written to, and torch warns."""
    return [torch.from_numpy(np.stack(column)) for column in zip(*samples, strict=True)]


def _batches(run: Run, loader: DataLoader[Any], fabric: Fabric) -> Iterator[Batch]:
    smoothing, classes = run.optimiser.label_smoothing, len(run.about["classes"])
    for low, high, labels in loader:
        targets = F.one_hot(labels, classes) * (1 - smoothing) + smoothing / classes
        yield Batch(*(x.to(fabric.device, run.hardware.dtype) for x in (low, high, targets)))


def _average(run: Run) -> AveragedModel | None:
    if not (decay := run.optimiser.average):
        return None
    return AveragedModel(run.network, multi_avg_fn=get_ema_multi_avg_fn(decay), use_buffers=True)


def _judge(run: Run, state: _State, fabric: Fabric) -> None:
    """Keep the weights (or their average) if they are the best so far; without held-out clips the last are."""
    used = run.network if state.average is None else state.average.module
    latest = state.history[-1]
    if run.validation is not None:
        found = accuracy(predict(used, run.validation, see=run.see), run.validation.labels).top1
        # The first process decides for all: on another GPU a tie may fall the other way, and one that stopped would
        # leave the others waiting for its gradients.
        latest[VALIDATION] = fabric.broadcast(found)
        if latest[VALIDATION] < max(epoch[VALIDATION] for epoch in state.history):
            return
    state.best = {name: value.clone() for name, value in used.state_dict().items()}


def has_settled(history: list[dict[str, float]], patience: int) -> bool:
    """Whether none of the last ``patience`` epochs was better on the held-out clips than one before them."""
    scores = [epoch[VALIDATION] for epoch in history if VALIDATION in epoch]
    return 0 < patience < len(scores) and max(scores[-patience:]) <= max(scores[:-patience])


def _resume(run: Run, about: dict[str, Any], state: _State) -> None:
    """Continue from the folder's checkpoint if it has one. Raises DataError for one of another version."""
    if not (run.out / FILE).is_file():
        return
    found = load_checkpoint(run.out)
    found.refuse_other(about, run.out)
    with refuse_other_version(run.out / FILE):
        run.network.load_state_dict(found.network)
        run.extra.load_state_dict(found.extra)
        state.optimiser.load_state_dict(found.optimiser)
        if state.average is not None:
            state.average.load_state_dict(found.average)
    state.history, state.best = found.history, found.best


def _checkpoint(run: Run, about: dict[str, Any], state: _State) -> Checkpoint:
    return Checkpoint(
        about=about,
        network=run.network.state_dict(),
        extra=run.extra.state_dict(),
        optimiser=state.optimiser.state_dict(),
        average={} if state.average is None else state.average.state_dict(),
        best=state.best,
        history=state.history,
    )
