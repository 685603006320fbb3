"""One training step: the losses of a batch, and the gradient that the optimiser steps with."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn
from torch.nn import functional as F

from edge.contract.errors import ConfigError
from train.distillation.baselines import pcgrad, relational_loss, soft_target_loss
from train.distillation.gradient_revision import revise_gradients
from train.distillation.losses import Outputs, edge_loss, logit_loss, vertex_loss

TASK = "task"
"""Name of the cross entropy, L_ce, which is always the first loss."""
LOSSES: dict[str, Callable[[Outputs], Tensor]] = {
    "logits": lambda o: logit_loss(o.logits, o.teacher_logits),
    "vertices": lambda o: vertex_loss(o.adapted, o.teacher_features),
    "edges": lambda o: edge_loss(o.adapted, o.teacher_features),
    "soft_logits": lambda o: soft_target_loss(o.logits, o.teacher_logits),
    "relations": lambda o: relational_loss(o.features, o.teacher_features),
}
COMBINERS: dict[str, Callable[[Tensor], Tensor]] = {
    "sum": lambda gradients: gradients.sum(dim=0),
    "revision": revise_gradients,
    "pcgrad": pcgrad,
}
"""The losses and gradient combinations that :mod:`train.distillation.methods` refers to by name."""


@dataclass(frozen=True)
class Batch:
    """LQ and HQ clips (N, C, T, V, M) of the same recordings, and class probabilities (N, K) as targets."""

    low: Tensor
    high: Tensor
    targets: Tensor


LossFunction = Callable[[Batch], Mapping[str, Tensor]]
"""The losses of a batch by name, the task's first."""


@dataclass(frozen=True)
class Distillation:
    """What distillation adds to a student: a frozen teacher, loss weights by name, and the training-only adapter.

    adapter: 1x1 convolution from the student's feature channels to the teacher's.
    """

    teacher: nn.Module
    adapter: nn.Module
    weights: Mapping[str, float]


def task_losses(network: nn.Module, clips: Tensor, targets: Tensor, fabric: Fabric) -> dict[str, Tensor]:
    """The cross entropy alone."""
    with fabric.autocast():
        logits = network(clips)[0]
    return {TASK: F.cross_entropy(_at_least_float32(logits), targets)}


def distillation_losses(
    student: nn.Module, distillation: Distillation, batch: Batch, fabric: Fabric
) -> dict[str, Tensor]:
    """The student's cross entropy on the LQ clips, and each distillation loss times its weight."""
    return weighted_losses(paired_outputs(student, distillation, batch, fabric), distillation.weights, batch.targets)


def paired_outputs(student: nn.Module, distillation: Distillation, batch: Batch, fabric: Fabric) -> Outputs:
    """Run the student on the LQ clips of a batch, and the teacher, without gradient, on the HQ clips."""
    with fabric.autocast():
        with torch.no_grad():
            teacher_logits, teacher_features = distillation.teacher(batch.high)
        logits, features = student(batch.low)
    logits, features, teacher_logits, teacher_features = (
        _at_least_float32(x) for x in (logits, features, teacher_logits, teacher_features)
    )
    return Outputs(logits, features, distillation.adapter(features), teacher_logits, teacher_features)


def weighted_losses(outputs: Outputs, weights: Mapping[str, float], targets: Tensor) -> dict[str, Tensor]:
    """L_ce, the cross entropy of z_s with targets (N, K), then the named losses times their weights.

    Targets are one-hot labels, as in the paper, unless ``optimiser.label_smoothing`` is set.
    """
    losses = {TASK: F.cross_entropy(outputs.logits, targets)}
    for name, weight in weights.items():
        losses[name] = weight * LOSSES[name](outputs)
    return losses


def _at_least_float32(x: Tensor) -> Tensor:
    """Distances computed in bfloat16 would be mostly rounding error."""
    return x.float() if x.dtype == torch.bfloat16 else x


def compute_gradients(
    loss_function: LossFunction,
    batches: Iterable[Batch],
    parameters: list[nn.Parameter],
    extra: list[nn.Parameter],
    combine: str,
    fabric: Fabric,
) -> dict[str, float]:
    """Set ``.grad`` of the student's ``parameters`` and of the ``extra`` ones for one optimiser step.

    The gradient of each loss is averaged over the ``batches`` of this step and over all processes *before* the
    gradients are combined, so that inner products are those of the whole batch. They are combined over all student
    parameters as one vector. The adapter (extra) is not part of the student: its gradients are summed. Returns the
    losses by name; raises ConfigError if one is not finite.
    """
    rows, total, count = torch.zeros(()), torch.zeros(()), 0
    names: list[str] = []
    for batch in batches:
        losses = loss_function(batch)
        names, values = list(losses), list(losses.values())
        total = total + torch.stack([value.detach() for value in values])
        # The sum of the gradients is the gradient of the sum: one backward pass.
        rows = rows + gradient_rows([sum(values, torch.zeros(()))] if combine == "sum" else values, parameters + extra)
        count += 1
    means = torch.as_tensor(fabric.all_reduce(total / count, reduce_op="mean"))
    rows = torch.as_tensor(fabric.all_reduce(rows / count, reduce_op="mean"))
    mean_losses = dict(zip(names, means.tolist(), strict=True))
    if not all(map(math.isfinite, mean_losses.values())):
        listed = ", ".join(f"{name} {value:g}" for name, value in mean_losses.items())
        raise ConfigError(f"a loss is not finite ({listed})", hint="lower --optimiser.learning_rate")
    split = sum(p.numel() for p in parameters)
    _set_grad(parameters, COMBINERS[combine](rows[:, :split]))
    _set_grad(extra, rows[:, split:].sum(dim=0))
    return mean_losses


def gradient_rows(losses: list[Tensor], parameters: list[nn.Parameter]) -> Tensor:
    """(L, P): the gradient of each loss with respect to all parameters as one vector.

    Takes one backward pass per loss. ``benchmarks/step_time.py`` times two alternatives: all losses as one batch of
    cotangents is slower; for revision, two backward passes and a forward-mode derivative in place of the inner products
    are at most 7 % faster on a CPU, and cannot accumulate over batches.
    """
    rows = []
    for loss in losses:
        parts = torch.autograd.grad(loss, parameters, retain_graph=True, materialize_grads=True)
        rows.append(torch.cat([part.flatten() for part in parts]))
    return torch.stack(rows)


def _set_grad(parameters: list[nn.Parameter], gradient: Tensor) -> None:
    """Split a flat gradient vector into the parameters' ``.grad``."""
    for parameter, part in zip(parameters, gradient.split([p.numel() for p in parameters]), strict=True):
        parameter.grad = part.view_as(parameter)
