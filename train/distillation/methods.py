"""Distillation methods by name: the paper's, its baselines, and ours. A new method is one line in METHODS."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from edge.contract.errors import ConfigError


@dataclass(frozen=True)
class Method:
    """How a student is trained.

    losses: weights of the distillation losses beside the cross entropy. combine: how the gradients become one. redraw:
    whether the corruption of an LQ clip is redrawn each time it is used; None leaves it to ``data.pairs.redraw``.
    """

    losses: Mapping[str, float] = field(default_factory=dict)
    combine: Literal["sum", "revision", "pcgrad"] = "sum"
    redraw: bool | None = None


MATCHING = 10.0
"""Weight of the vertex loss. The paper's description leaves the weights open. Of 1, 10 and 30 this was the best for the
paper's method and for ours, on a held-out training subject of UTD-MHAD (benchmarks/distillation.md)."""
PAPER = {"logits": 1.0, "vertices": MATCHING, "edges": 1.0}

METHODS: dict[str, Method] = {
    "alone": Method(),
    "hinton": Method({"soft_logits": 1.0}),
    "fitnets": Method({"vertices": MATCHING}),
    "rkd": Method({"relations": 1.0}),
    "paper-pcgrad": Method(PAPER, combine="pcgrad"),
    "paper": Method(PAPER, combine="revision"),
    "alone-redrawn": Method(redraw=True),
    # The paper's vertex loss alone; new is that the corruption is redrawn each time, so that the student sees many ways
    # of losing joints. The logits of a teacher that has overfitted its clips add little to the label. Edges, and with
    # them revision, cost two more backward passes and gained nothing in the same number of epochs.
    "ours": Method({"vertices": MATCHING}, redraw=True),
}


def method(name: str) -> Method:
    """Look up a method; raise ConfigError, which lists the known ones, for another name."""
    if name not in METHODS:
        raise ConfigError(f"unknown method {name!r}", hint=f"known methods: {', '.join(METHODS)}")
    return METHODS[name]
