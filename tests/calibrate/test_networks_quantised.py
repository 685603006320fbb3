"""Variants of networks: older opsets, other notations, and networks with nothing to quantise."""

from pathlib import Path

import networks
import numpy as np
import onnx
import pytest
from onnx import helper

from calibrate.quantisation.onnx_graph import Graph, attributes
from calibrate.quantisation.quantise import Quantiser
from edge.contract.errors import EngineError


def test_an_empty_bias_name_means_no_bias(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    weights = {"w1": rng.standard_normal((4, 3, 3, 3)), "w2": rng.standard_normal((2, 4, 1, 1))}
    nodes = [
        helper.make_node("Conv", ["x", "w1", ""], ["c"], name="first"),
        helper.make_node("Relu", ["c"], ["r"]),
        helper.make_node("Conv", ["r", "w2", ""], ["y"], name="second"),
    ]
    shapes = (("x", [1, 3, 8, 8]), ("y", [1, 2, 6, 6]))
    path = networks.save(tmp_path / "n.onnx", nodes, {n: w.astype(np.float32) for n, w in weights.items()}, shapes)
    images = [rng.standard_normal((1, 3, 8, 8)).astype(np.float32) for _ in range(4)]
    for fit in (False, True):
        given = networks.run(Quantiser(path, images, "minmax", fit_weights=fit).quantised([], images), images[0])
        wanted = networks.run(path, images[0])
        np.testing.assert_allclose(given, wanted, atol=0.05 * np.abs(wanted).max())


def test_a_convolution_with_computed_weights_stays_in_floating_point(tmp_path: Path) -> None:
    """As in attention."""
    rng = np.random.default_rng(0)
    first, third = (rng.standard_normal(shape).astype(np.float32) for shape in ((3, 3, 3, 3), (2, 1, 1, 1)))
    weights = {"w1": first, "shape": np.array([1, 3, 1, 1]), "w3": third}
    nodes = [
        helper.make_node("Conv", ["x", "w1"], ["c"], name="first"),
        helper.make_node("Relu", ["c"], ["r"]),
        helper.make_node("GlobalAveragePool", ["x"], ["g"]),
        helper.make_node("Reshape", ["g", "shape"], ["w2"]),
        helper.make_node("Conv", ["r", "w2"], ["s"], name="second"),
        helper.make_node("Conv", ["s", "w3"], ["y"], name="third"),
    ]
    path = networks.save(tmp_path / "n.onnx", nodes, weights, (("x", [1, 3, 8, 8]), ("y", [1, 2, 6, 6])))
    images = [rng.standard_normal((1, 3, 8, 8)).astype(np.float32) for _ in range(4)]
    quantiser = Quantiser(path, images, "minmax")
    assert quantiser.layers == ["first", "third"]
    quantiser.write(tmp_path / "n.int8.onnx")
    (second,) = [n for n in onnx.load(tmp_path / "n.int8.onnx").graph.node if n.name == "second"]
    made = {o: n.op_type for n in onnx.load(tmp_path / "n.int8.onnx").graph.node for o in n.output}
    assert made[second.input[1]] == "Reshape"
    assert attributes(second)["kernel_shape"] == [1, 1]  # TensorRT 8.5 asks for it
    wanted = networks.run(path, images[0])
    given = networks.run(tmp_path / "n.int8.onnx", images[0])
    np.testing.assert_allclose(given, wanted, atol=0.05 * np.abs(wanted).max())


@pytest.mark.parametrize("opset", [11, 13])
def test_an_older_opset_is_converted_to_the_first_with_per_channel_scales(tmp_path: Path, opset: int) -> None:
    """PyTorch wrote opsets 9 and 11 for years, so many pose networks have them."""
    rng = np.random.default_rng(0)
    weights = {"w1": rng.standard_normal((4, 3, 3, 3)), "w2": rng.standard_normal((2, 4, 1, 1))}
    nodes = [
        helper.make_node("Conv", ["x", "w1"], ["c"], name="first"),
        helper.make_node("Relu", ["c"], ["r"]),
        helper.make_node("Conv", ["r", "w2"], ["y"], name="second"),
    ]
    shapes = (("x", [1, 3, 8, 8]), ("y", [1, 2, 6, 6]))
    arrays = {n: w.astype(np.float32) for n, w in weights.items()}
    path = networks.save(tmp_path / "n.onnx", nodes, arrays, shapes, opset)
    images = [rng.standard_normal((1, 3, 8, 8)).astype(np.float32) for _ in range(4)]
    Quantiser(path, images, "minmax", fit_weights=True).write(tmp_path / "n.int8.onnx")
    assert [o.version for o in onnx.load(tmp_path / "n.int8.onnx").opset_import] == [13]
    wanted, given = (networks.run(tmp_path / name, images[0]) for name in ("n.onnx", "n.int8.onnx"))
    np.testing.assert_allclose(given, wanted, atol=0.05 * np.abs(wanted).max())


def test_a_network_without_layers_to_quantise_is_refused(tmp_path: Path) -> None:
    node = helper.make_node("MatMul", ["x", "m"], ["y"])
    path = networks.save(
        tmp_path / "n.onnx", [node], {"m": np.eye(4, dtype=np.float32)}, (("x", [2, 4]), ("y", [2, 4]))
    )
    with pytest.raises(EngineError, match="neither a convolution nor a Gemm with constant FP32 weights"):
        Quantiser(path, [np.ones((2, 4), np.float32)], "mse")


def test_a_computed_addend_becomes_an_addition(tmp_path: Path) -> None:
    """ONNX Runtime leaves a Gemm with such an addend in floating point."""
    rng = np.random.default_rng(0)
    weights = {
        "w1": rng.standard_normal((6, 4)).astype(np.float32),
        "w2": rng.standard_normal((4, 4)).astype(np.float32),
    }
    nodes = [
        helper.make_node("Gemm", ["x", "w1"], ["h"], name="first"),
        helper.make_node("Relu", ["h"], ["r"]),
        helper.make_node("Gemm", ["r", "w2", "h"], ["y"], name="second"),
    ]
    path = networks.save(tmp_path / "n.onnx", nodes, weights, (("x", [3, 6]), ("y", [3, 4])))
    samples = [rng.standard_normal((3, 6)).astype(np.float32) for _ in range(4)]
    found = Quantiser(path, samples, "minmax").quantised([], samples)
    assert [(n.name, len(n.input)) for n in Graph(found).nodes("Gemm")] == [("first", 2), ("second", 2)]
    wanted, given = (networks.run(m, samples[0]) for m in (path, found))
    np.testing.assert_allclose(given, wanted, atol=0.05 * np.abs(wanted).max())


def test_the_addition_of_a_constant_stays_in_floating_point(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    weights = {
        "w1": rng.standard_normal((4, 3, 1, 1)),
        "k": rng.standard_normal((1, 4, 8, 8)),
        "w2": np.ones((2, 4, 1, 1)),
    }
    nodes = [
        helper.make_node("Conv", ["x", "w1"], ["c"], name="first"),
        helper.make_node("Add", ["c", "k"], ["s"], name="place"),
        helper.make_node("Relu", ["s"], ["r"]),
        helper.make_node("Conv", ["r", "w2"], ["y"], name="second"),
    ]
    arrays = {name: array.astype(np.float32) for name, array in weights.items()}
    path = networks.save(tmp_path / "n.onnx", nodes, arrays, (("x", [1, 3, 8, 8]), ("y", [1, 2, 8, 8])))
    images = [rng.standard_normal((1, 3, 8, 8)).astype(np.float32) for _ in range(4)]
    graph = Graph(Quantiser(path, images, "minmax").quantised([], images))
    (addition,) = graph.nodes("Add")
    assert "k" in addition.input and graph.constants["k"].dtype == np.float32


def test_the_bias_of_a_channel_without_weights_survives(tmp_path: Path) -> None:
    """As after pruning. ONNX Runtime stores biases in int32 in units of the weights' scale, which would overflow."""
    rng = np.random.default_rng(0)
    weights = {
        "w1": rng.standard_normal((4, 3, 3, 3)).astype(np.float32),
        "w2": np.eye(4, dtype=np.float32)[..., None, None],
    }
    weights["w1"][1] = 0
    weights["b1"] = np.array([0.1, 0.7, -0.2, 0.3], np.float32)
    nodes = [
        helper.make_node("Conv", ["x", "w1", "b1"], ["c"], name="first"),
        helper.make_node("Relu", ["c"], ["r"]),
        helper.make_node("Conv", ["r", "w2"], ["y"], name="second"),
    ]
    path = networks.save(tmp_path / "n.onnx", nodes, weights, (("x", [1, 3, 8, 8]), ("y", [1, 4, 6, 6])))
    images = [rng.standard_normal((1, 3, 8, 8)).astype(np.float32) for _ in range(4)]
    for fit in (False, True):
        Quantiser(path, images, "minmax", fit_weights=fit).write(tmp_path / "n.int8.onnx")
        given = networks.run(tmp_path / "n.int8.onnx", images[0])
        np.testing.assert_allclose(given[:, 1], np.full((1, 6, 6), 0.7), atol=0.05)
