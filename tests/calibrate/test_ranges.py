"""Ranges of least squared error, compared with brute force."""

from io import StringIO

import numpy as np
import pytest
from onnx import save
from onnx.helper import make_model, make_opsetid
from onnx.parser import parse_graph
from onnxruntime.quantization.calibrate import HistogramCollector
from rich.console import Console

from calibrate.quantisation.ranges import MAX_GROWTH, activation_ranges, bound_histograms, least_squares_range


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


def test_in_a_terminal_the_search_of_entropy_has_its_progress_and_no_line_per_sample(tmp_path, monkeypatch):
    graph = parse_graph("net (float[N, 8] x) => (float[N, 8] y) { y = Relu(x) }")
    model = make_model(graph, opset_imports=[make_opsetid("", 17)], ir_version=8)
    save(model, tmp_path / "net.onnx")
    terminal = Console(file=StringIO(), width=100, force_terminal=True)
    for where in ("calibrate.quantisation.ranges", "edge.cli.progress_bar"):
        monkeypatch.setattr(f"{where}.console", terminal)
    samples = np.random.default_rng(2).standard_normal((3, 1, 8)).astype(np.float32)
    ranges = activation_ranges(tmp_path / "net.onnx", ["Relu"], "entropy", ["x"], list(samples))
    assert set(ranges.data) == {"x", "y"}
    shown = terminal.file.getvalue()
    assert "calibrating (entropy)" in shown and "choosing ranges (entropy)" in shown
    assert "Collecting" not in shown and "Number of" not in shown
