"""Ways to teach a student, by name: the paper's, those it is measured against, and ours. A new one is a line here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from edge.contract.errors import ConfigError


@dataclass(frozen=True)
class Method:
    """How a student is taught.

    losses: weight of each distillation loss beside the task's cross entropy. combine: how their gradients
    make one step. redraw: whether LQ clips are corrupted anew at each draw; None leaves it to the data's
    settings.
    """

    losses: Mapping[str, float] = field(default_factory=dict)
    combine: Literal["sum", "revision", "pcgrad"] = "sum"
    redraw: bool | None = None


MATCHING = 10.0
"""Weight of the vertices. The paper's description leaves the weights open; of 1, 10 and 30 this was the best for
the paper's method and for ours on a training subject of UTD-MHAD that was held out (benchmarks/distillation.md)."""
PAPER = {"logits": 1.0, "vertices": MATCHING, "edges": 1.0}

METHODS: dict[str, Method] = {
    "alone": Method(),
    "hinton": Method({"soft_logits": 1.0}),
    "fitnets": Method({"vertices": MATCHING}),
    "rkd": Method({"relations": 1.0}),
    "paper-pcgrad": Method(PAPER, combine="pcgrad"),
    "paper": Method(PAPER, combine="revision"),
    "alone-redrawn": Method(redraw=True),
    # The paper's vertices alone. Ours is the corruption, drawn anew whenever a clip is seen, so that the student meets
    # every way of losing joints. Logits of a teacher that knows its clips by heart say little more than the label;
    # edges, and so revision, cost two backward passes more and gained nothing in as many epochs.
    "ours": Method({"vertices": MATCHING}, redraw=True),
}


def method(name: str) -> Method:
    """The method of that name; ConfigError names the known ones."""
    if name not in METHODS:
        raise ConfigError(f"unknown method {name!r}", hint=f"known methods: {', '.join(METHODS)}")
    return METHODS[name]
