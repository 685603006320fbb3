"""What ways to teach are made of, by the names that methods give them: losses, and how gradients make one step."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from train.distillation.baselines import relations, soft_logits, surgery
from train.distillation.gradient_revision import revised, summed
from train.distillation.losses import Outputs, graph_edges, graph_vertices, logit_divergence

Loss = Callable[[Outputs], Tensor]

LOSSES: dict[str, Loss] = {
    "logits": lambda o: logit_divergence(o.logits, o.teacher_logits),
    "vertices": lambda o: graph_vertices(o.adapted, o.teacher_features),
    "edges": lambda o: graph_edges(o.adapted, o.teacher_features),
    "soft_logits": lambda o: soft_logits(o.logits, o.teacher_logits),
    "relations": lambda o: relations(o.features, o.teacher_features),
}

COMBINING: dict[str, Callable[[Tensor], Tensor]] = {"sum": summed, "revision": revised, "pcgrad": surgery}
