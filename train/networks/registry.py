"""Networks by name. A new one is a file, and a line here."""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

from edge.contract.errors import ConfigError
from edge.contract.layouts import JointLayout
from train.networks.dense_gcn import DenseGcn
from train.networks.shift_gcn import ShiftGcn

Factory = Callable[[int, JointLayout, int, int], nn.Module]

NETWORKS: dict[str, Factory] = {
    "shift_gcn_teacher": lambda classes, layout, bodies, width: ShiftGcn(classes, len(layout), bodies, width=width),
    "shift_gcn_student": lambda classes, layout, bodies, width: ShiftGcn(
        classes, len(layout), bodies, width=width, inter_body=True
    ),
    "dense_gcn": lambda classes, layout, bodies, width: DenseGcn(classes, layout, bodies, width=width),
}


def build(name: str, *, classes: int, layout: JointLayout, bodies: int, width: int) -> nn.Module:
    """The named network: clip (N, 3, T, V, M) -> (logits (N, K), last feature map (N*M, D, T', V))."""
    if name not in NETWORKS:
        raise ConfigError(f"unknown network {name!r}", hint=f"known networks: {', '.join(NETWORKS)}")
    return NETWORKS[name](classes, layout, bodies, width)
