"""The interface of a network, and its entry in the registry."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import nn

from edge.contract.layouts import JointLayout

CHANNELS = 3
"""Channels of a clip: x, y and how far the joint was seen."""


@dataclass(frozen=True)
class Network:
    """make: (classes, layout, bodies, width) -> module. width: default number of channels of the first units.

    The module maps a clip (N, 3, T, V, M) to (logits (N, K), features (N*M, D, T/4, V)); its ``features`` is D.
    """

    make: Callable[[int, JointLayout, int, int], nn.Module]
    width: int
