"""Choose the range [-r, r] that INT8 covers for each activation.

The range is symmetric because TensorRT accepts no zero point but 0. A wide range rounds the many small values coarsely,
a narrow one clips the few large values. Five methods:

==========  ============================================================================================
minmax      the largest absolute value: nothing is clipped
percentile  covers 99.99 % of the values
entropy     least Kullback-Leibler divergence between the values and their quantised form (Migacz,
            "8-bit Inference with TensorRT", GTC 2017)
mse         least mean squared error, from rounding and clipping together
margin      1.2 times mse's range, for people whose values exceed those of the samples
==========  ============================================================================================
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod
from onnxruntime.quantization.calibrate import TensorData, TensorsData, create_calibrator

from calibrate.calibration_set import Method
from calibrate.quantisation.onnx_graph import Sample, feed
from edge.cli.console import console
from edge.cli.progress_bar import track

PERCENTILE = 99.99
MARGIN = 1.2
"""The best of 1, 1.2 and 1.5 for each of five students, on a subject held out of training."""
CANDIDATES = 128
"""Number of ranges that mse tries, evenly spaced up to the maximum."""

MAX_GROWTH = 8
"""Bins of a histogram, at most, as a multiple of those it starts with."""

_OF_ONNX_RUNTIME: dict[Method, tuple[CalibrationMethod, dict[str, Any]]] = {
    "minmax": (CalibrationMethod.MinMax, {"symmetric": True}),
    "percentile": (CalibrationMethod.Percentile, {"symmetric": True, "percentile": PERCENTILE}),
    # ONNX Runtime's default of 128 bins for 128 levels leaves the search a single candidate, the maximum.
    "entropy": (CalibrationMethod.Entropy, {"num_bins": 1024, "num_quantized_bins": 128}),
    # ONNX Runtime has no such method; its percentile calibrator collects the histograms that mse needs.
    "mse": (CalibrationMethod.Percentile, {"symmetric": True, "percentile": 100.0}),
    "margin": (CalibrationMethod.Percentile, {"symmetric": True, "percentile": 100.0}),
}


def activation_ranges(
    network: Path, operators: Sequence[str], method: Method, inputs: Sequence[str], samples: Sequence[Sample]
) -> TensorsData:
    """Return the ranges of these operators' inputs and outputs. inputs: names of the network's inputs."""
    how, options = _OF_ONNX_RUNTIME[method]
    augmented = network.with_name("augmented.onnx")
    calibrator = create_calibrator(
        network, list(operators), str(augmented), calibrate_method=how, extra_options=options
    )
    for sample in track(samples, f"calibrating ({method})", len(samples)):
        # The bar redirects stdout to the terminal, where ONNX Runtime would print a line per sample.
        with redirect_stdout(StringIO()):
            # One at a time: a calibrator keeps every activation of all samples of a call in memory.
            calibrator.collect_data(_One(feed(inputs, sample)))
        if method != "minmax":
            bound_histograms(calibrator.collector)
    with console.status(f"choosing ranges ({method})"), redirect_stdout(StringIO()):
        ranges = calibrator.compute_data()
    if method in ("mse", "margin"):
        for tensor, (counts, edges, *_) in calibrator.collector.histogram_dict.items():
            limit = np.float32(least_squares_range(counts, edges) * (MARGIN if method == "margin" else 1))
            ranges.data[tensor] = TensorData(lowest=-limit, highest=limit)
    return ranges


def least_squares_range(counts: NDArray[Any], edges: NDArray[Any]) -> float:
    """Return the r of least mean squared error when INT8 covers [-r, r].

    counts (B,): number of absolute values between consecutive edges (B + 1,), which rise from 0.
    """
    middle = (edges[:-1].astype(np.float64) + edges[1:]) / 2
    best, least = float(edges[-1]), np.inf
    for limit in np.linspace(edges[-1] / CANDIDATES, edges[-1], CANDIDATES):
        scale = limit / 127
        rounded = np.minimum(np.round(middle / scale), 127) * scale
        error = float((counts * (middle - rounded) ** 2).sum())
        if error < least:
            best, least = float(limit), error
    return best


def bound_histograms(collector: Any) -> None:
    """Merge bins in pairs where there are too many.

    The first sample sets their width. If its values are far smaller than those of later samples, ONNX Runtime adds tens
    of thousands of bins, for which the entropy of one tensor takes minutes to hours.
    """
    for tensor, (counts, edges, low, high, *threshold) in collector.histogram_dict.items():
        while len(counts) > MAX_GROWTH * collector.num_bins:
            width = edges[1] - edges[0]
            # Zero stays an edge: of histograms with signs it is in the middle.
            odd = len(counts) // (2 if threshold else 1) % 2
            before = odd if threshold else 0
            counts = np.pad(counts, (before, odd)).reshape(-1, 2).sum(axis=1)
            edges = np.concatenate([edges[:1] - width] * before + [edges] + [edges[-1:] + width] * odd)[::2]
            threshold = [edges[-1]] if threshold else []
        collector.histogram_dict[tensor] = (counts, edges, low, high, *threshold)


class _One(CalibrationDataReader):  # type: ignore[misc]
    """A calibration set of one sample."""

    def __init__(self, feed: dict[str, NDArray[Any]]) -> None:
        self._feeds = iter([feed])

    def get_next(self) -> dict[str, NDArray[Any]] | None:
        return next(self._feeds, None)
