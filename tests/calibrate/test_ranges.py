"""Ranges of least squared error, compared with brute force."""

import numpy as np
import pytest
from onnxruntime.quantization.calibrate import HistogramCollector

from calibrate.quantisation.ranges import MAX_GROWTH, bound_histograms, least_squares_range


def squared_error(values: np.ndarray, limit: float) -> float:
    scale = limit / 127
    return float(((values - np.clip(np.round(values / scale), -128, 127) * scale) ** 2).mean())


@pytest.mark.parametrize("seed", range(4))
def test_the_least_squares_range_matches_brute_force(seed: int) -> None:
    values = np.random.default_rng(seed).laplace(size=200_000)
    counts, edges = np.histogram(np.abs(values), bins=2048)
    found = least_squares_range(counts, edges)
    limits = np.linspace(0.02, 1, 200) * np.abs(values).max()
    best = min(limits, key=lambda limit: squared_error(values, limit))
    assert squared_error(values, found) <= 1.02 * squared_error(values, best)
    assert found < 0.95 * np.abs(values).max()


def test_uniform_values_are_not_clipped() -> None:
    counts, edges = np.histogram(np.random.default_rng(0).uniform(0, 5, 100_000), bins=2048)
    assert least_squares_range(counts, edges) == pytest.approx(5, rel=0.02)


@pytest.mark.parametrize("signed", [False, True])
def test_a_first_sample_of_small_values_does_not_leave_thousands_of_bins(signed: bool) -> None:
    """Such as a clip in which hardly anybody was seen."""
    method = "entropy" if signed else "percentile"
    collector = HistogramCollector(
        method, True, num_bins=128, num_quantized_bins=128, percentile=99.99, scenario="same"
    )
    values = np.random.default_rng(1).standard_normal(20_000).astype(np.float32)
    for sample in (values / 333, values, 1.7 * values):
        collector.collect({"x": [sample]})
        bound_histograms(collector)
    counts, edges = collector.histogram_dict["x"][:2]
    assert len(edges) - 1 == len(counts) <= MAX_GROWTH * 128 and counts.sum() == 3 * len(values)
    # Against numpy's own histogram of all values, up to values at an edge.
    everything = np.concatenate([values / 333, values, 1.7 * values])
    again = np.histogram(everything if signed else np.abs(everything), edges)[0]
    assert np.abs(counts - again).sum() < 0.01 * counts.sum()
    if signed:
        assert np.abs(edges).min() < 1e-3 * (edges[1] - edges[0])
        assert collector.histogram_dict["x"][4] == edges[-1]
