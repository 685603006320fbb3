"""Choose the calibration method whose INT8 logits stay nearest to FP32's on training clips.

No method is best for all students. With few people in training, percentile ranges clip the activations of new people;
with many, wide ranges lose more to coarse scales. The comparison uses training clips that the ranges were not taken
from, and logits, because decisions hardly change on clips that the network was trained on.
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
"""Entropy is slow and was never the best."""
EVALUATED = 256
"""Approximate number of clips that the methods are compared on."""


def best_quantiser(source: Path, samples: Sequence[Array], evaluated_on: Sequence[Array]) -> Quantiser:
    """Return that of the method of least squared error of the logits, with the first layer in floating point.

    samples: clips (1, C, T, V, M) that ranges are taken from. evaluated_on: clips that the logits are compared on.
    """
    made = {method: Quantiser(source, samples, method) for method in TRIED_METHODS}
    int8 = {method: quantiser.rounded(quantiser.layers[:1], samples) for method, quantiser in made.items()}
    (wanted,) = outputs(made[TRIED_METHODS[0]].model, evaluated_on)
    return made[least_error_method(wanted, {method: outputs(model, evaluated_on)[0] for method, model in int8.items()})]


def least_error_method(wanted: Array, given: Mapping[Method, Array]) -> Method:
    """Return the method whose logits (N, K) have the least mean squared error, and print a table of all."""
    errors = {method: float(np.sqrt(np.mean((wanted - logits) ** 2))) for method, logits in given.items()}
    table = Table("method", "RMS error of logits", title=f"{len(wanted)} training clips")
    for method, error in errors.items():
        table.add_row(method, f"{error:.4f}")
    console.print(table)
    return min(errors, key=lambda method: errors[method])


def evaluation_clips(count: int, drawn: NDArray[np.int64]) -> NDArray[np.int64]:
    """Positions of about EVALUATED clips among those held out (:func:`calibrate.calibration_set.held_out`)."""
    available = held_out(count, drawn)
    return available[:: max(1, len(available) // EVALUATED)]
