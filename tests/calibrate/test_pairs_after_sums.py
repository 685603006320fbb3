"""Pairs after sums, in graphs made by hand and in layers whose sums have several readers."""

from pathlib import Path

import networks
import numpy as np
import onnx
import pytest
from onnx import helper

from calibrate.quantisation.onnx_graph import Graph
from calibrate.quantisation.qdq_placement import only_into_relu, pairs_after_sums, remove_pairs
from calibrate.quantisation.quantise import Quantiser

node = helper.make_node


def model(nodes: list[onnx.NodeProto], outputs: tuple[str, ...]) -> onnx.ModelProto:
    """A model over a and b (4,) with a scale and a zero point."""
    value = helper.make_tensor_value_info
    constants = [
        onnx.numpy_helper.from_array(np.array(0.5, np.float32), "scale"),
        onnx.numpy_helper.from_array(np.array(0, np.int8), "zero"),
    ]
    given = [value(name, onnx.TensorProto.FLOAT, [4]) for name in "ab"]
    wanted = [value(name, onnx.TensorProto.FLOAT, [4]) for name in outputs]
    return helper.make_model(helper.make_graph(nodes, "sums", given, wanted, constants))


SUM = node("Add", ["a", "b"], ["sum"])
ROUND = node("QuantizeLinear", ["sum", "scale", "zero"], ["int8"])
BACK = node("DequantizeLinear", ["int8", "scale", "zero"], ["rounded"])


def pairs(nodes: list[onnx.NodeProto], *outputs: str) -> list[tuple[str, str]]:
    return [(pair.input, pair.output) for pair in pairs_after_sums(Graph(model(nodes, outputs)))]


def test_pairs_after_sums_have_no_other_readers() -> None:
    relu = node("Relu", ["rounded"], ["passed"])
    assert pairs([SUM, ROUND, BACK, relu], "passed") == [("sum", "rounded")]
    assert pairs([SUM, ROUND, BACK, relu], "passed", "rounded") == []
    assert pairs([SUM, ROUND, BACK, relu, node("Neg", ["sum"], ["other"])], "passed", "other") == []
    again = node("DequantizeLinear", ["int8", "scale", "zero"], ["again"])
    assert pairs([SUM, ROUND, BACK, relu, again], "passed", "again") == []
    assert pairs([node("Neg", ["a"], ["sum"]), ROUND, BACK, relu], "passed") == []


def test_a_pair_read_by_another_node_is_not_only_into_relu() -> None:
    relu, other = node("Relu", ["rounded"], ["passed"]), node("Neg", ["rounded"], ["other"])
    for nodes, outputs, alone in (([relu], ("passed",), True), ([relu, other], ("passed", "other"), False)):
        graph = Graph(model([SUM, ROUND, BACK, *nodes], outputs))
        (pair,) = pairs_after_sums(graph)
        assert only_into_relu(graph, pair) == alone


def test_removing_a_pair_removes_its_constants() -> None:
    left = remove_pairs(model([SUM, ROUND, BACK, node("Relu", ["rounded"], ["passed"])], ("passed",)), lambda *_: True)
    assert [(n.op_type, list(n.input)) for n in left.graph.node] == [("Add", ["a", "b"]), ("Relu", ["sum"])]
    assert not left.graph.initializer


@pytest.fixture
def activated_first(tmp_path: Path) -> Path:
    """y = conv(relu(s)) + s for a sum s, as in pre-activation residual networks."""
    rng = np.random.default_rng(0)
    weights = {f"w{n}": rng.standard_normal((4, 4, 1, 1)).astype(np.float32) for n in range(3)}
    nodes = [
        node("Conv", ["x", "w0"], ["s"], name="first"),
        node("Relu", ["s"], ["r"], name="relu"),
        node("Conv", ["r", "w1"], ["c"], name="second"),
        node("Add", ["c", "s"], ["t"], name="residual"),
        node("Conv", ["t", "w2"], ["y"], name="last"),
    ]
    return networks.save(tmp_path / "n.onnx", nodes, weights, (("x", [1, 4, 8, 8]), ("y", [1, 4, 8, 8])))


def test_a_sum_read_by_a_residual_and_relu_keeps_its_negative_values(activated_first: Path) -> None:
    images = [np.random.default_rng(i).standard_normal((1, 4, 8, 8)).astype(np.float32) for i in range(6)]
    graph = Graph(Quantiser(activated_first, images, "minmax").quantised([], images))
    (addition,), (relu,) = graph.nodes("Add"), graph.nodes("Relu")
    (second,) = [n for n in graph.nodes("Conv") if n.name == "second"]
    scale_of_sum = [float(graph.constants[graph.producer[n].input[1]]) for n in (addition.input[1], relu.input[0])]
    scale_behind_relu = float(graph.constants[graph.producer[second.input[0]].input[1]])
    sums = [networks.run(_with_output(activated_first, "s"), image) for image in images]
    assert scale_of_sum == pytest.approx([max(np.abs(s).max() for s in sums) / 127] * 2, rel=1e-5)
    assert scale_behind_relu == pytest.approx(max(s.max() for s in sums) / 127, rel=1e-5)
    wanted, given = (networks.run(m, images[0]) for m in (activated_first, graph.model))
    np.testing.assert_allclose(given, wanted, atol=0.05 * np.abs(wanted).max())


def _with_output(network: Path, tensor: str) -> onnx.ModelProto:
    exposed = onnx.load(network)
    exposed.graph.output.insert(0, helper.make_tensor_value_info(tensor, onnx.TensorProto.FLOAT, None))
    return exposed


def test_a_convolution_keeps_its_pair_where_a_float_product_and_an_int8_layer_read_its_relu(tmp_path: Path) -> None:
    """Otherwise ONNX Runtime would run the convolution in floating point."""
    rng = np.random.default_rng(0)
    weights = {f"w{n}": rng.standard_normal((4, 4, 1, 1)).astype(np.float32) for n in range(3)}
    nodes = [
        node("Conv", ["x", "w0"], ["c0"], name="first"),
        node("Relu", ["c0"], ["r0"], name="relu"),
        node("MatMul", ["r0", "mix"], ["m"], name="mixed"),
        node("Conv", ["m", "w1"], ["c1"], name="behind"),
        node("Conv", ["r0", "w2"], ["c2"], name="shortcut"),
        node("Concat", ["c1", "c2"], ["y"], name="join", axis=1),
    ]
    weights["mix"] = rng.standard_normal((8, 8)).astype(np.float32)
    path = networks.save(tmp_path / "n.onnx", nodes, weights, (("x", [1, 4, 8, 8]), ("y", [1, 8, 8, 8])))
    images = [rng.standard_normal((1, 4, 8, 8)).astype(np.float32) for _ in range(4)]
    graph = Graph(Quantiser(path, images, "minmax").quantised([], images))
    (relu,), (mixed,) = graph.nodes("Relu"), graph.nodes("MatMul")
    assert graph.producer[relu.input[0]].op_type == "DequantizeLinear" and mixed.input[0] == relu.output[0]


def test_the_tensor_between_two_int8_gemms_is_quantised(tmp_path: Path) -> None:
    """Without a ReLU between them; not quantised if the second Gemm is in floating point."""
    rng = np.random.default_rng(0)
    weights = {
        "w1": rng.standard_normal((6, 8)).astype(np.float32),
        "w2": rng.standard_normal((8, 4)).astype(np.float32),
    }
    nodes = [node("Gemm", ["x", "w1"], ["h"], name="first"), node("Gemm", ["h", "w2"], ["y"], name="second")]
    path = networks.save(tmp_path / "n.onnx", nodes, weights, (("x", [2, 6]), ("y", [2, 4])))
    samples = [rng.standard_normal((2, 6)).astype(np.float32) for _ in range(4)]
    quantiser = Quantiser(path, samples, "minmax")
    for float_layers, producer in (([], "DequantizeLinear"), (["second"], "Gemm")):
        graph = Graph(quantiser.quantised(float_layers, samples))
        assert graph.producer[graph.nodes("Gemm")[1].input[0]].op_type == producer
