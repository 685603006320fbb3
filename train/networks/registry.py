"""Networks by name. A new network is a file in this folder and a line here.

Code outside this folder registers a network with ``registry.NETWORKS["my_network"] = Network(make, width=32)``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from torch import nn

from edge.contract.errors import ConfigError
from edge.contract.layouts import JointLayout
from train.networks import st_gcn, st_gcn_pp
from train.networks.dd_net import DdNet
from train.networks.dense_gcn import DenseGcn
from train.networks.dense_gcn_stream import DenseGcnStream
from train.networks.efficient_gcn import EfficientGcn
from train.networks.motion_stem import MotionStem
from train.networks.shift_gcn import ShiftGcn


@dataclass(frozen=True)
class Network:
    """make: (classes, layout, bodies, width) -> module. width: default number of channels of the first units.

    The module maps a clip (N, 3, T, V, M) to (logits (N, K), features (N*M, D, T/4, V)); its ``features`` is D.
    """

    make: Callable[[int, JointLayout, int, int], nn.Module]
    width: int


# TensorRT's INT8 kernels work on vectors of 32 channels; dense_gcn's 48 is the width of the shipped bundle. Motion is
# the only addition: on held-out training clips of Penn Action, bones, motion over two frames and an unconstrained
# three-frame stem gained nothing more. The others have the widths of their papers' releases.
NETWORKS = {
    "dd_net": Network(DdNet, width=64),
    "dd_net_m": Network(DdNet, width=32),
    "dd_net_s": Network(DdNet, width=16),
    "dense_gcn": Network(DenseGcn, width=48),
    "dense_gcn_s": Network(DenseGcn, width=32),
    "dense_gcn_m": Network(DenseGcn, width=64),
    "dense_gcn_l": Network(DenseGcn, width=96),
    "dense_gcn_motion": Network(lambda k, layout, m, w: DenseGcn(k, layout, m, w, MotionStem(w)), width=48),
    "dense_gcn_stream": Network(DenseGcnStream, width=48),
    "dense_gcn_motion_stream": Network(
        lambda k, layout, m, w: DenseGcnStream(k, layout, m, w, MotionStem(w)), width=48
    ),
    "efficient_gcn_b0": Network(EfficientGcn, width=64),
    "shift_gcn_teacher": Network(ShiftGcn, width=64),
    "shift_gcn_student": Network(partial(ShiftGcn, inter_body=True), width=64),
    "st_gcn": Network(partial(st_gcn.StGcn, unit=st_gcn.unit), width=64),
    "st_gcn_pp": Network(partial(st_gcn.StGcn, unit=st_gcn_pp.unit), width=64),
}


def default_width(name: str) -> int:
    """Default number of channels of the network's first units."""
    return _named(name).width


def build(name: str, *, classes: int, layout: JointLayout, bodies: int, width: int | None = None) -> nn.Module:
    """Build a network: clip (N, 3, T, V, M) -> (logits (N, K), last feature map (N*M, D, T/4, V)).

    width: channels of the first units; None for the network's default. Raises ConfigError for an unknown name.
    """
    network = _named(name)
    return network.make(classes, layout, bodies, network.width if width is None else width)


def _named(name: str) -> Network:
    if name not in NETWORKS:
        raise ConfigError(f"unknown network {name!r}", hint=f"known networks: {', '.join(sorted(NETWORKS))}")
    return NETWORKS[name]
