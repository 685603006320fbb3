"""How far an activation reaches: the range [-r, r] that its eight bits cover.

Too wide a range makes steps coarse for the many small values, too narrow a one clips the few large ones. Five answers:

==========  ============================================================================================
minmax      the largest absolute value: clips nothing
percentile  what 99.99 % of the values stay below
entropy     least Kullback-Leibler divergence between the values and what eight bits make of them (Migacz,
            "8-bit Inference with TensorRT", GTC 2017)
mse         least mean squared error, rounding and clipping together
margin      a fifth more than that: people who are not among the samples reach further
==========  ============================================================================================
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod
from onnxruntime.quantization.calibrate import TensorData, TensorsData, create_calibrator
from rich.progress import track

from calibrate.calibration_set import Method
from calibrate.quantisation.onnx_graph import Sample, feed
from edge.cli.console import console

PERCENTILE = 99.99
MARGIN = 1.2
"""Of 1, 1.2 and 1.5 the best for each of five students, measured on a subject that was held out of training."""
CANDIDATES = 128
"""Ranges that mse tries, evenly spaced up to the maximum."""

_OF_ONNX_RUNTIME: dict[Method, tuple[CalibrationMethod, dict[str, Any]]] = {
    "minmax": (CalibrationMethod.MinMax, {"symmetric": True}),
    "percentile": (CalibrationMethod.Percentile, {"symmetric": True, "percentile": PERCENTILE}),
    # ONNX Runtime's default of 128 bins for 128 levels leaves the search one candidate, the maximum itself.
    "entropy": (CalibrationMethod.Entropy, {"num_bins": 1024, "num_quantized_bins": 128}),
    # ONNX Runtime has no such method; its percentile collects the histograms of absolute values that mse needs.
    "mse": (CalibrationMethod.Percentile, {"symmetric": True, "percentile": 100.0}),
    "margin": (CalibrationMethod.Percentile, {"symmetric": True, "percentile": 100.0}),
}


def activation_ranges(
    network: Path, operators: Sequence[str], method: Method, inputs: Sequence[str], samples: Sequence[Sample]
) -> TensorsData:
    """Ranges of what these operators take and give. inputs: names of the network's."""
    how, options = _OF_ONNX_RUNTIME[method]
    shown = network.with_name("shown.onnx")
    calibrator = create_calibrator(network, list(operators), str(shown), calibrate_method=how, extra_options=options)
    for sample in track(samples, f"calibrating ({method})", console=console):
        # One by one: a calibrator holds every activation of all the samples it is given at once.
        calibrator.collect_data(_One(feed(inputs, sample)))
    ranges = calibrator.compute_data()
    if method in ("mse", "margin"):
        for tensor, (counts, edges, *_) in calibrator.collector.histogram_dict.items():
            reach = np.float32(least_squares_range(counts, edges) * (MARGIN if method == "margin" else 1))
            ranges.data[tensor] = TensorData(lowest=-reach, highest=reach)
    return ranges


def least_squares_range(counts: NDArray[Any], edges: NDArray[Any]) -> float:
    """The r of least mean squared error when eight bits cover [-r, r].

    counts (B,): how many absolute values fall between edges (B + 1,) rising from 0.
    """
    middle = (edges[:-1].astype(np.float64) + edges[1:]) / 2
    best, least = float(edges[-1]), np.inf
    for reach in np.linspace(edges[-1] / CANDIDATES, edges[-1], CANDIDATES):
        step = reach / 127
        rounded = np.minimum(np.round(middle / step), 127) * step
        error = float((counts * (middle - rounded) ** 2).sum())
        if error < least:
            best, least = float(reach), error
    return best


class _One(CalibrationDataReader):  # type: ignore[misc]
    """A calibration set of one sample."""

    def __init__(self, feed: dict[str, NDArray[Any]]) -> None:
        self._feeds = iter([feed])

    def get_next(self) -> dict[str, NDArray[Any]] | None:
        return next(self._feeds, None)
