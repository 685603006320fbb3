"""The training loop for teacher and student: one process or several, resumable after every epoch."""

from __future__ import annotations

import signal
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
from torch.utils.data import DataLoader, Dataset

from edge.cli.interruption import interruptible
from edge.contract.errors import ConfigError, DataError
from edge.contract.files import wrap_write_errors
from edge.contract.types import Float32
from train.checkpoint import FILE, Checkpoint, load_checkpoint, save_checkpoint
from train.configuration import Hardware
from train.data.pairs import PairDataset
from train.distillation.methods import Method
from train.evaluate import Accuracy, accuracy, predict
from train.lock_file import TRAINING_LOCK, training_lock
from train.optimiser import Optimiser
from train.progress import training_progress
from train.sampler import BatchSampler
from train.step import Batch, LossFunction, compute_gradients
from train.sync_batch_norm import convert_sync_batch_norm
from train.torch_file import refuse_other_version


@dataclass(frozen=True)
class Run:
    """Everything one training needs.

    see: the quality of clips that the network reads. extra: modules that are trained too but are not part of the
    network (the adapter). method: says how the gradients of the losses are combined. about: rebuilds the network
    (name, width, classes, layout, preprocessing); goes into the checkpoint.
    """

    out: Path
    see: Literal["hq", "lq"]
    network: nn.Module
    extra: nn.Module
    loss_function: LossFunction
    method: Method
    train: PairDataset
    test: PairDataset
    optimiser: Optimiser
    seed: int
    about: dict[str, Any]
    hardware: Hardware


@dataclass
class _State:
    """What changes during training besides the weights; saved in checkpoints."""

    optimiser: torch.optim.Optimizer
    history: list[dict[str, float]] = field(default_factory=list)


def fit(run: Run, fabric: Fabric) -> Accuracy:
    """Train, or resume an interrupted run, and return the accuracy on the test clips.

    Writes ``checkpoint.pt`` atomically after every epoch, and TensorBoard curves. Raises OutputError if another
    training runs in the folder.
    """
    sampler = _sampler(run, fabric)
    if fabric.world_size > 1:
        convert_sync_batch_norm(run.network)
    run.network.to(fabric.device, run.hardware.dtype)
    run.extra.to(fabric.device, run.hardware.dtype)
    with wrap_write_errors(run.out):
        run.out.mkdir(parents=True, exist_ok=True)
    with training_lock(run.out / TRAINING_LOCK, run.out, fabric):
        _train(run, sampler, fabric)
    return accuracy(predict(run.network, run.test, see=run.see), run.test.labels)


def _sampler(run: Run, fabric: Fabric) -> BatchSampler:
    """The batches of this process. Raises DataError if there are too few clips to train or test."""
    settings = run.optimiser
    sampler = BatchSampler(
        run.train.labels, batch=settings.batch, seed=run.seed, balanced=settings.balanced,
        accumulate=settings.accumulate, rank=fabric.global_rank, world=fabric.world_size,
    )  # fmt: skip
    if len(sampler) < 1 or len(run.test) < 1:
        raise DataError(
            f"{len(run.train)} training and {len(run.test)} test clips are too few: one step needs at least 2 clips in "
            f"each of {settings.accumulate} batches on each of {fabric.world_size} processes",
            hint="give more recordings (of generated clips: --data.clips_per_class)",
        )
    return sampler


def _train(run: Run, sampler: BatchSampler, fabric: Fabric) -> None:
    """Run the remaining epochs."""
    settings, about = run.optimiser, run.about | {"seed": run.seed, "optimiser": asdict(run.optimiser)}
    state = _State(settings.build([*run.network.parameters(), *run.extra.parameters()]))
    _resume(run, about, state)
    # DataLoader's type asks for a Dataset; it only needs __getitem__, whose keys are PairKeys.
    dataset = cast("Dataset[Any]", run.train)
    loader = DataLoader(
        dataset,
        batch_sampler=sampler,
        num_workers=run.hardware.workers,
        collate_fn=_collate,
        persistent_workers=run.hardware.workers > 0,
        generator=torch.Generator(),  # its own, so that seeding workers does not change dropout's random numbers
    )
    with training_progress(run.out, settings.epochs, len(state.history), fabric) as report:
        while len(state.history) < settings.epochs:
            started = time.perf_counter()
            try:
                losses = _train_epoch(run, state, sampler, loader, fabric)
            except torch.OutOfMemoryError as error:
                raise ConfigError(
                    f"the GPU has not enough memory for batches of {settings.batch} clips",
                    hint="halve optimiser.batch and double optimiser.accumulate",
                ) from error
            seconds = time.perf_counter() - started
            state.history.append({"epoch": len(state.history) + 1, "seconds": seconds, **losses})
            # Before the checkpoint: curves of an epoch that is then trained again are replaced.
            report(state.history[-1], len(run.train) / seconds)
            if fabric.is_global_zero:
                save_checkpoint(run.out, _checkpoint(run, about, state))


def _train_epoch(
    run: Run, state: _State, sampler: BatchSampler, loader: DataLoader[Any], fabric: Fabric
) -> dict[str, float]:
    """Run every step of one epoch and return the mean of each loss."""
    settings, epoch = run.optimiser, len(state.history)
    parameters, extra = list(run.network.parameters()), list(run.extra.parameters())
    sampler.epoch = epoch
    # Dropout depends on these three alone, so that a resumed run draws the same numbers as an uninterrupted one.
    torch.manual_seed(int(np.random.SeedSequence((run.seed, epoch, fabric.global_rank)).generate_state(1)[0]))
    run.network.train()
    batches, steps, losses = _batches(run, loader, fabric), len(sampler) // settings.accumulate, []
    for step in range(steps):
        for group in state.optimiser.param_groups:
            group["lr"] = settings.learning_rate_at((epoch + step / steps) / settings.epochs)
        of_step = islice(batches, settings.accumulate)
        losses.append(compute_gradients(run.loss_function, of_step, parameters, extra, run.method.combine, fabric))
        state.optimiser.step()
    return {name: float(np.mean([loss[name] for loss in losses])) for name in losses[0]}


def _collate(samples: Sequence[tuple[Float32, Float32, np.int64]]) -> list[torch.Tensor]:
    """LQ and HQ (N, C, T, V, M), labels (N,). Stacking copies: cached clips are read-only, which torch warns about."""
    return [torch.from_numpy(np.stack(column)) for column in zip(*samples, strict=True)]


def _batches(run: Run, loader: DataLoader[Any], fabric: Fabric) -> Iterator[Batch]:
    smoothing, classes = run.optimiser.label_smoothing, len(run.about["classes"])
    with interruptible(lambda: None) as noted:  # PyTorch would swallow a KeyboardInterrupt while it forks workers
        clips = iter(loader)
    if noted.signum:
        signal.raise_signal(noted.signum)
    for low, high, labels in clips:
        targets = F.one_hot(labels, classes) * (1 - smoothing) + smoothing / classes
        yield Batch(*(x.to(fabric.device, run.hardware.dtype) for x in (low, high, targets)))


def _resume(run: Run, about: dict[str, Any], state: _State) -> None:
    """Load the folder's checkpoint if there is one. Raises ConfigError or DataError if it is not of the same run."""
    if not (run.out / FILE).is_file():
        return
    found = load_checkpoint(run.out)
    found.require_same_settings(about, run.out)
    with refuse_other_version(run.out / FILE):
        run.network.load_state_dict(found.network)
        run.extra.load_state_dict(found.extra)
        state.optimiser.load_state_dict(found.optimiser)
    state.history = found.history


def _checkpoint(run: Run, about: dict[str, Any], state: _State) -> Checkpoint:
    return Checkpoint(
        about=about,
        network=run.network.state_dict(),
        extra=run.extra.state_dict(),
        optimiser=state.optimiser.state_dict(),
        history=state.history,
    )
