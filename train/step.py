"""One training step: the losses of a batch, and their gradients as the rows of a matrix."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn
from torch.nn import functional as F

from edge.contract.errors import ConfigError
from train.distillation.losses import Outputs
from train.distillation.registry import COMBINING, LOSSES

TASK = "task"
"""Name of the cross entropy, L_ce, among the losses; always the first."""


@dataclass(frozen=True)
class Batch:
    """LQ and HQ clips (N, C, T, V, M) of the same recordings, and what they show (N, K), as probabilities."""

    low: Tensor
    high: Tensor
    targets: Tensor


Lesson = Callable[[Batch], Mapping[str, Tensor]]
"""The losses of a batch by name, the task's first."""


@dataclass(frozen=True)
class Teaching:
    """What distillation adds to a student: a frozen teacher, weighted losses by name, the training-only adapter.

    adapter: 1x1 convolution from the student's feature channels to the teacher's.
    """

    teacher: nn.Module
    adapter: nn.Module
    losses: Mapping[str, float]


def task_losses(network: nn.Module, clips: Tensor, targets: Tensor, fabric: Fabric) -> dict[str, Tensor]:
    """The cross entropy alone."""
    with fabric.autocast():
        logits = network(clips)[0]
    return {TASK: F.cross_entropy(_widened(logits), targets)}


def distillation_losses(student: nn.Module, teaching: Teaching, batch: Batch, fabric: Fabric) -> dict[str, Tensor]:
    """Cross entropy of the student on the LQ clips, and each distillation loss times its weight."""
    return weighted_losses(taught_outputs(student, teaching, batch, fabric), teaching.losses, batch.targets)


def taught_outputs(student: nn.Module, teaching: Teaching, batch: Batch, fabric: Fabric) -> Outputs:
    """What the student gives for the LQ clips of a batch, and its teacher, without gradient, for the HQ ones."""
    with fabric.autocast():
        with torch.no_grad():
            teacher_logits, teacher_features = teaching.teacher(batch.high)
        logits, features = student(batch.low)
    logits, features, teacher_logits, teacher_features = (
        _widened(x) for x in (logits, features, teacher_logits, teacher_features)
    )
    return Outputs(logits, features, teaching.adapter(features), teacher_logits, teacher_features)


def weighted_losses(outputs: Outputs, weights: Mapping[str, float], targets: Tensor) -> dict[str, Tensor]:
    """The task's cross entropy with targets (N, K), then the named losses times their weights."""
    losses = {TASK: F.cross_entropy(outputs.logits, targets)}
    for name, weight in weights.items():
        losses[name] = weight * LOSSES[name](outputs)
    return losses


def _widened(x: Tensor) -> Tensor:
    """Distances in bfloat16 would be noise: losses are computed in float32 at least."""
    return x.float() if x.dtype == torch.bfloat16 else x


def take_step(
    lesson: Lesson, batches: Iterable[Batch], own: list[nn.Parameter], extra: list[nn.Parameter], combine: str,
    fabric: Fabric,
) -> dict[str, float]:  # fmt: skip
    """Put the step's gradient into ``.grad`` of the student's ``own`` parameters and of the ``extra`` ones.

    The losses' gradients are averaged over the ``batches`` of this step and over all processes *before* they
    are combined, so that inner products are those of the whole batch. They run over all own parameters
    as one vector; the adapter (extra) is no part of the student, and gets the plain sum. Returns the
    losses by name; raises ConfigError where one is not finite.
    """
    rows, told, count = torch.zeros(()), torch.zeros(()), 0
    names: list[str] = []
    for batch in batches:
        losses = lesson(batch)
        names, values = list(losses), list(losses.values())
        told = told + torch.stack([value.detach() for value in values])
        # The sum of gradients is the gradient of the sum: one pass.
        rows = rows + gradient_rows([sum(values, torch.zeros(()))] if combine == "sum" else values, own + extra)
        count += 1
    means = torch.as_tensor(fabric.all_reduce(told / count, reduce_op="mean"))
    rows = torch.as_tensor(fabric.all_reduce(rows / count, reduce_op="mean"))
    told_by_name = dict(zip(names, means.tolist(), strict=True))
    _refuse_infinite(told_by_name)
    split = sum(p.numel() for p in own)
    _assign(own, COMBINING[combine](rows[:, :split]))
    _assign(extra, rows[:, split:].sum(dim=0))
    return told_by_name


def gradient_rows(losses: list[Tensor], parameters: list[nn.Parameter]) -> Tensor:
    """(L, P): the gradient of each loss with respect to all parameters as one vector.

    One forward pass, and a backward pass for each loss. Two other ways give the same step: one pass with all losses
    as a batch of cotangents, and, for the revision alone, two passes and a forward-mode derivative in place of
    the inner products. ``benchmarks/step_time.py`` times them: the first is slower, the second no more than 7 %
    faster on a CPU, and it cannot accumulate over batches.
    """
    rows = []
    for loss in losses:
        parts = torch.autograd.grad(loss, parameters, retain_graph=True, materialize_grads=True)
        rows.append(torch.cat([part.flatten() for part in parts]))
    return torch.stack(rows)


def _assign(parameters: list[nn.Parameter], gradient: Tensor) -> None:
    """Lay a flat gradient vector into the parameters' ``.grad``."""
    for parameter, part in zip(parameters, gradient.split([p.numel() for p in parameters]), strict=True):
        parameter.grad = part.view_as(parameter)


def _refuse_infinite(losses: dict[str, float]) -> None:
    if any(value != value or abs(value) == float("inf") for value in losses.values()):
        told = ", ".join(f"{name} {value:g}" for name, value in losses.items())
        raise ConfigError(f"a loss is not finite ({told})", hint="lower --optimiser.learning_rate")
