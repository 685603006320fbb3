"""The losses and gradient combinations that :mod:`train.distillation.methods` refers to by name."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from train.distillation.baselines import pcgrad, relational_loss, soft_target_loss
from train.distillation.gradient_revision import revise_gradients
from train.distillation.losses import Outputs, edge_loss, logit_loss, vertex_loss

Loss = Callable[[Outputs], Tensor]

LOSSES: dict[str, Loss] = {
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
