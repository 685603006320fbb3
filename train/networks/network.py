"""What the registry keeps of a network."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import nn

from edge.contract.layouts import JointLayout

CHANNELS = 3
"""Of a clip: x, y and how far a joint was seen."""


@dataclass(frozen=True)
class Network:
    """make(classes, layout, bodies, width) -> module; width: channels of the first units unless a user says otherwise.

    The module takes a clip (N, 3, T, V, M) and gives (logits (N, K), features (N*M, D, T/4, V)), D in its ``features``.
    """

    make: Callable[[int, JointLayout, int, int], nn.Module]
    width: int
