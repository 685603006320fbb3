"""The training loop for teacher and student: one process or several, resumable after every epoch."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np
import torch
from lightning_fabric import Fabric
from torch import nn
from torch.nn import functional as F
from torch.optim.swa_utils import AveragedModel
from torch.utils.data import DataLoader, Dataset

from edge.cli.interruption import interruptible
from edge.contract.errors import ConfigError, DataError
from edge.contract.files import wrap_write_errors
from edge.contract.types import Float32
from train.checkpoint import FILE, VALIDATION, Checkpoint, load_checkpoint, save_checkpoint, should_stop_early
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
    network (the adapter). method: says how the gradients of the losses are combined. validation: held-out clips for
    early stopping. about: rebuilds the network (name, width, classes, layout, preprocessing); goes into the checkpoint.
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
    hardware: Hardware


@dataclass
class _State:
    """What changes during training besides the weights; saved in checkpoints.

    average: exponential moving average of the weights. best: the weights to use, see :func:`_update_best`.
    """

    optimiser: torch.optim.Optimizer
    average: AveragedModel | None
    history: list[dict[str, float]] = field(default_factory=list)
    best: dict[str, Any] = field(default_factory=dict)


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
        run.network.load_state_dict(_train(run, sampler, fabric))
    return accuracy(predict(run.network, run.test, see=run.see), run.test.labels)


def _sampler(run: Run, fabric: Fabric) -> BatchSampler:
    """The batches of this process. Raises DataError if there are too few clips to train, test or validate."""
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
    if run.validation is not None and len(run.validation) < 1:
        raise DataError(
            f"no class has enough training clips to hold out a share of {settings.held_out:g}",
            hint="give a larger --optimiser.held_out",
        )
    return sampler


def _train(run: Run, sampler: BatchSampler, fabric: Fabric) -> dict[str, Any]:
    """Run the remaining epochs and return the weights to use."""
    settings, about = run.optimiser, run.about | {"seed": run.seed, "optimiser": asdict(run.optimiser)}
    average = None
    if settings.average:
        average = AveragedModel(run.network, multi_avg_fn=moving_average(settings.average), use_buffers=True)
    state = _State(settings.build([*run.network.parameters(), *run.extra.parameters()]), average)
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
        while len(state.history) < settings.epochs and not should_stop_early(state.history, settings.patience):
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
            _update_best(run, state, fabric)
            # Before the checkpoint: curves of an epoch that is then trained again are replaced.
            report(state.history[-1], len(run.train) / seconds)
            if fabric.is_global_zero:
                save_checkpoint(run.out, _checkpoint(run, about, state))
    return state.best


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
        if state.average is not None:
            state.average.update_parameters(run.network)
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


def _update_best(run: Run, state: _State, fabric: Fabric) -> None:
    """Keep the weights, or their average, as the ones to use, unless an earlier epoch was better on held-out clips."""
    used = run.network if state.average is None else state.average.module
    latest = state.history[-1]
    if run.validation is not None:
        found = accuracy(predict(used, run.validation, see=run.see), run.validation.labels).top1
        # The first process decides for all. Rounding may differ between GPUs, and if only one process stopped, the
        # others would wait for its gradients.
        latest[VALIDATION] = fabric.broadcast(found)
        if latest[VALIDATION] < max(epoch[VALIDATION] for epoch in state.history):
            return
    state.best = {name: value.clone() for name, value in used.state_dict().items()}


def moving_average(decay: float) -> Callable[..., None]:
    """The update of an AveragedModel: weights and statistics are averaged exponentially, counts and indices copied."""

    @torch.no_grad()
    def update(averages: Sequence[torch.Tensor], latest: Sequence[torch.Tensor], _: Any) -> None:
        for average, value in zip(averages, latest, strict=True):
            if average.is_floating_point():
                average.lerp_(value, 1 - decay)
            else:
                average.copy_(value)

    return update


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
        if state.average is not None:
            state.average.load_state_dict(found.average)
    state.history, state.best = found.history, found.best


def _checkpoint(run: Run, about: dict[str, Any], state: _State) -> Checkpoint:
    average = {} if state.average is None else state.average.state_dict()
    return Checkpoint(
        about=about,
        network=run.network.state_dict(),
        extra=run.extra.state_dict(),
        optimiser=state.optimiser.state_dict(),
        average=average,
        best=state.best,
        history=state.history,
    )
