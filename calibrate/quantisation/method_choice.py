"""Which way of choosing ranges suits a student: the one whose logits stay nearest to FP32's on training clips.

No one way is best. A network that few people trained clips new ones by percentiles; one that many trained loses more to
coarse steps. What a way costs new people shows on training clips that its ranges were not taken from. Decisions would
not tell: of clips it was trained on, a network is sure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.table import Table

from calibrate.calibration_set import Method, held_out
from calibrate.quantisation.onnx_graph import Array
from calibrate.quantisation.quantise import Quantiser
from calibrate.quantisation.sensitivity import outputs
from edge.cli.console import console

TRIED_METHODS: tuple[Method, ...] = ("percentile", "margin", "mse", "minmax")
"""Entropy is slow and has not been near."""
EVALUATED = 256
"""Clips that choose the method, about."""


def chosen_method(source: Path, samples: Sequence[Array], judged: Sequence[Array]) -> tuple[Method, Quantiser]:
    """The method of least mean squared error of the logits, its first layer in floating point, and its quantiser.

    samples: clips (1, C, T, V, M) that ranges are taken from. judged: clips that the logits are compared on.
    """
    made: dict[Method, Quantiser] = {}

    def logits(method: Method) -> Array:
        made[method] = quantiser = Quantiser(source, samples, method)
        (given,) = outputs(quantiser.rounded(quantiser.layers[:1], samples), judged)
        return given

    given = {method: logits(method) for method in TRIED_METHODS}
    (wanted,) = outputs(made[TRIED_METHODS[0]].model, judged)
    best = least_error_method(wanted, given)
    return best, made[best]


def least_error_method(wanted: Array, given: Mapping[Method, Array]) -> Method:
    """The method whose logits (N, K) have the least mean squared error, and a table of all."""
    errors = {method: float(np.sqrt(np.mean((wanted - logits) ** 2))) for method, logits in given.items()}
    table = Table("ranges by", "error of logits", title=f"of {len(wanted)} training clips, root mean square")
    for method, error in errors.items():
        table.add_row(method, f"{error:.4f}")
    console.print(table)
    return min(errors, key=lambda method: errors[method])


def evaluation_clips(count: int, drawn: NDArray[np.int64]) -> NDArray[np.int64]:
    """About EVALUATED of the clips that are held out, evenly spread; see :func:`calibrate.calibration_set.held_out`."""
    judged = held_out(count, drawn)
    return judged[:: max(1, len(judged) // EVALUATED)]
