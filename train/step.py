"""One training step's gradient: the task's, and what imitation may add to it."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from edge.contract.errors import ConfigError
from train.gradient_revision import revised
from train.losses import DISTILLATION


@dataclass(frozen=True)
class Batch:
    """LQ and HQ clips (N, C, T, V, M) of the same recordings, labels (N,)."""

    low: Tensor
    high: Tensor
    labels: Tensor


@dataclass(frozen=True)
class Teaching:
    """What distillation adds to a student: a frozen teacher, losses by name, and the training-only adapter.

    adapter: 1x1 convolution from the student's feature channels to the teacher's. revise: whether
    gradients that oppose the task lose that part (the paper's gradient revision).
    """

    teacher: nn.Module
    adapter: nn.Module
    losses: tuple[str, ...]
    revise: bool = True


def task_step(network: nn.Module, clips: Tensor, labels: Tensor, smoothing: float) -> dict[str, float]:
    """Put the gradient of the cross entropy into ``.grad``; returns the loss."""
    loss = F.cross_entropy(network(clips)[0], labels, label_smoothing=smoothing)
    loss.backward()
    return _finite({"task": loss})


def distillation_step(student: nn.Module, teaching: Teaching, batch: Batch, smoothing: float) -> dict[str, float]:
    """Put g_ce + sum_i (revised) g_i into the student's ``.grad`` and the adapter's own gradient into its.

    The inner products of the revision run over all student parameters as one vector; the adapter is
    no part of the student and is not revised. Returns the losses by name.
    """
    with torch.no_grad():
        teacher_logits, teacher_features = teaching.teacher(batch.high)
    logits, features = student(batch.low)
    adapted = teaching.adapter(features)
    losses = {"task": F.cross_entropy(logits, batch.labels, label_smoothing=smoothing)}
    for name in teaching.losses:
        losses[name] = DISTILLATION[name](logits, teacher_logits, adapted, teacher_features)
    values = _finite(losses)

    own, extra = list(student.parameters()), list(teaching.adapter.parameters())
    gradients, adapter_gradient = [], torch.zeros(sum(p.numel() for p in extra))
    for loss in losses.values():
        parts = torch.autograd.grad(loss, own + extra, retain_graph=True, materialize_grads=True)
        gradients.append(torch.cat([g.flatten() for g in parts[: len(own)]]))
        adapter_gradient = adapter_gradient + torch.cat([g.flatten() for g in parts[len(own) :]])
    task, imitation = gradients[0], gradients[1:]
    _assign(own, revised(task, imitation) if teaching.revise else torch.stack(gradients).sum(0))
    _assign(extra, adapter_gradient)
    return values


def _assign(parameters: list[nn.Parameter], gradient: Tensor) -> None:
    """Lay a flat gradient vector into the parameters' ``.grad``."""
    for parameter, part in zip(parameters, gradient.split([p.numel() for p in parameters]), strict=True):
        parameter.grad = part.view_as(parameter)


def _finite(losses: dict[str, Tensor]) -> dict[str, float]:
    values = {name: float(loss.detach()) for name, loss in losses.items()}
    if any(value != value or abs(value) == float("inf") for value in values.values()):
        told = ", ".join(f"{name} {value:g}" for name, value in values.items())
        raise ConfigError(f"a loss is not finite ({told})", hint="lower --optimiser.learning_rate")
    return values
