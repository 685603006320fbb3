"""The cost of networks against layers computed by hand, and interleaved timing."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from onnx import helper

from benchmarks.peers.interleaved import interleaved, percentiles, ratios
from benchmarks.peers.onnx_cost import network_cost
from benchmarks.peers.roofline import floor_ms
from tests.networks import save


def zeros(*shape: int) -> np.ndarray:
    return np.zeros(shape, np.float32)


def test_a_convolution_by_hand(tmp_path: Path) -> None:
    # 8 of 3 channels, 3x3 over 16x16 at stride 2 with padding 1: 8x8x8 outputs of 27 products each.
    conv = helper.make_node("Conv", ["x", "w", "b"], ["y"], strides=[2, 2], pads=[1, 1, 1, 1])
    weights = {"w": zeros(8, 3, 3, 3), "b": zeros(8)}
    path = save(tmp_path / "n.onnx", [conv], weights, (("x", ["n", 3, 16, 16]), ("y", ["n", 8, 8, 8])))
    (layer,) = network_cost(path).layers
    assert layer.multiply_adds == 8 * 8 * 8 * 27
    assert layer.weights == 8 * 27 + 8
    assert layer.activations == 3 * 16 * 16 + 8 * 8 * 8
    assert network_cost(path).operations == 2 * 8 * 8 * 8 * 27
    assert network_cost(path).moved_bytes(4) == 4 * (224 + 768 + 512)


def test_a_depthwise_convolution_multiplies_only_its_own_channel(tmp_path: Path) -> None:
    conv = helper.make_node("Conv", ["x", "w"], ["y"], group=4, pads=[2, 0, 2, 0])
    path = save(tmp_path / "n.onnx", [conv], {"w": zeros(4, 1, 5, 1)}, (("x", [1, 4, 10, 3]), ("y", [1, 4, 10, 3])))
    assert network_cost(path).layers[0].multiply_adds == 4 * 10 * 3 * 5


def test_a_transposed_convolution_by_hand(tmp_path: Path) -> None:
    # Each of 2x4x4 inputs is spread over 3 channels of 4x4.
    up = helper.make_node("ConvTranspose", ["x", "w"], ["y"], strides=[2, 2], pads=[1, 1, 1, 1])
    path = save(tmp_path / "n.onnx", [up], {"w": zeros(2, 3, 4, 4)}, (("x", [1, 2, 4, 4]), ("y", [1, 3, 8, 8])))
    assert network_cost(path).layers[0].multiply_adds == 2 * 4 * 4 * 3 * 4 * 4


def test_products_by_hand(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("MatMul", ["x", "mix"], ["m"]),
        helper.make_node("Flatten", ["m"], ["f"]),
        helper.make_node("Gemm", ["f", "w", "b"], ["y"], transB=1),
    ]
    weights = {"mix": zeros(5, 5), "w": zeros(7, 60), "b": zeros(7)}
    path = save(tmp_path / "n.onnx", nodes, weights, (("x", ["n", 3, 4, 5]), ("y", ["n", 7])))
    product, classifier = network_cost(path).layers
    assert (product.multiply_adds, product.weights, product.activations) == (3 * 4 * 5 * 5, 25, 60 + 60)
    assert (classifier.multiply_adds, classifier.weights, classifier.activations) == (7 * 60, 7 * 60 + 7, 60 + 7)


def test_the_shipped_student_costs_what_pytorch_counts() -> None:
    # benchmarks/networks.md: dense_gcn at 48 channels has 85 M multiply-accumulates and 0.59 M parameters.
    cost = network_cost(Path("bundles/everyday/student.onnx"))
    assert round(cost.operations / 2e6) == 85
    assert sum(layer.weights for layer in cost.layers) / 1e6 == pytest.approx(0.59, abs=0.01)


def test_the_floor_is_the_slower_of_computing_and_moving() -> None:
    # 2 GFLOP at 1 TFLOPS take 2 ms; 100 MB at 50 GB/s take 2 ms as well.
    assert floor_ms(2_000_000_000, 0, 1, 50) == pytest.approx(2)
    assert floor_ms(0, 100_000_000, 1, 50) == pytest.approx(2)
    assert floor_ms(2_000_000_000, 200_000_000, 1, 50) == pytest.approx(4)


def test_candidates_alternate_and_the_warm_up_is_left_out() -> None:
    order: list[str] = []
    times = interleaved({"a": lambda: order.append("a"), "b": lambda: order.append("b")}, 3, repeats=2, warm_up=1)
    assert "".join(order) == "aabb" * 4
    assert {name: len(values) for name, values in times.items()} == dict.fromkeys(
        ("a wall", "a processor", "b wall", "b processor"), 3
    )


def test_discarded_runs_are_not_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    takes_s, now_s = iter([90.0, 90.0, 90.0, 50.0, 1.0, 2.0, 50.0, 3.0, 4.0]), [0.0]

    def run() -> None:
        now_s[0] += next(takes_s)

    clock = SimpleNamespace(perf_counter=lambda: now_s[0], process_time=lambda: now_s[0] / 2)
    monkeypatch.setattr("benchmarks.peers.interleaved.time", clock)
    times = interleaved({"a": run}, 2, repeats=3, discard=1, warm_up=1)
    assert times == {"a wall": [1500, 3500], "a processor": [750, 1750]} and next(takes_s, None) is None


def test_ratios_are_taken_round_by_round() -> None:
    # The machine was three times as slow in the second round; the ratio does not notice.
    assert ratios([2, 6, 2], [1, 3, 1]) == (2, 2)
    assert percentiles([1, 2, 3]) == (2, pytest.approx(2.8))
