"""Results rounded to half precision, against NumPy's."""

from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper

from benchmarks.half_rounding import rounded_to_half
from edge.engines.onnx_runtime import OnnxRuntimeEngine
from tests.networks import save

Array = NDArray[np.float32]


def half(array: Array) -> Array:
    with np.errstate(over="ignore"):
        return array.astype(np.float16).astype(np.float32)


def run(source: Path, given: Array) -> Array:
    onnx.save(rounded_to_half(onnx.load(source)), source)
    return OnnxRuntimeEngine(source).run({"x": given})["y"]


def test_each_result_is_rounded_and_overflows_as_in_half_precision(tmp_path: Path) -> None:
    nodes = [helper.make_node("Add", ["x", "one"], ["a"]), helper.make_node("Mul", ["a", "third"], ["y"])]
    weights = {"one": np.ones(1, np.float32), "third": np.full(1, 1 / 3, np.float32)}
    given = np.array([0.1, -0.7, 3e-8, 1000.3, 65519, 65520, -1e9], np.float32)
    wanted = half(half(half(given) + 1) * half(weights["third"]))
    assert np.isinf(wanted[-2:]).all()
    assert (wanted != half((given + 1) / 3)).any(), "rounding between the layers matters"
    path = save(tmp_path / "n.onnx", nodes, weights, (("x", [7]), ("y", [7])))
    np.testing.assert_array_equal(run(path, given), wanted)


def test_what_integers_stand_for_is_not_rounded(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "scale", "zero"], ["q"]),
        helper.make_node("DequantizeLinear", ["q", "scale", "zero"], ["d"]),
        helper.make_node("Mul", ["d", "third"], ["y"]),
    ]
    scale, third = np.float32(0.0123), np.float32(1 / 3)
    weights = {"scale": np.array(scale), "zero": np.array(0, np.int8), "third": np.full(1, third)}
    path = save(tmp_path / "n.onnx", nodes, weights, (("x", [255]), ("y", [255])))
    integers = np.arange(-127, 128, dtype=np.float32)
    exact = integers * half(scale)
    assert (half(exact * half(third)) != half(half(exact) * half(third))).any()
    np.testing.assert_array_equal(run(path, integers * scale), half(exact * half(third)))
