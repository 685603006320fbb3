"""Which way of choosing ranges suits a student: the one whose logits stay nearest to FP32's on training clips.

No one way is best. A network that few people trained clips new ones by percentiles; one that many trained loses more to
coarse steps. What a way costs new people shows on training clips that its ranges were not taken from. Decisions would
not tell: of clips it was trained on, a network is sure.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from rich.table import Table

from calibrate.calibration_set import Method
from calibrate.onnx_graph import Array
from calibrate.quantise import Quantiser
from calibrate.sensitivity import outputs
from edge.command_line import console

TRIED: tuple[Method, ...] = ("percentile", "margin", "mse", "minmax")
"""Entropy is slow and has not been near."""


def nearest(source: Path, samples: Sequence[Array], judged: Sequence[Array]) -> tuple[Method, Quantiser]:
    """The method of least mean squared error of the logits, its first layer in floating point, and its quantiser.

    samples: clips (1, C, T, V, M) that ranges are taken from. judged: clips that the logits are compared on.
    """
    errors: dict[Method, float] = {}
    made: dict[Method, Quantiser] = {}
    wanted: Array | None = None
    for method in TRIED:
        made[method] = quantiser = Quantiser(source, samples, method)
        if wanted is None:
            (wanted,) = outputs(quantiser.model, judged)
        (given,) = outputs(quantiser.rounded(quantiser.layers[:1], samples), judged)
        errors[method] = float(np.sqrt(np.mean((wanted - given) ** 2)))
    table = Table("ranges by", "error of logits", title=f"of {len(judged)} training clips, root mean square")
    for method, error in errors.items():
        table.add_row(method, f"{error:.4f}")
    console.print(table)
    best = min(TRIED, key=lambda method: errors[method])
    return best, made[best]
