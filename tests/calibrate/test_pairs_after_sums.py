"""Which pairs stand on a sum: graphs made by hand, and layers whose sums others read as well."""

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
    """Over a and b (4,), with a step and a zero point."""
    value = helper.make_tensor_value_info
    constants = [
        onnx.numpy_helper.from_array(np.array(0.5, np.float32), "step"),
        onnx.numpy_helper.from_array(np.array(0, np.int8), "zero"),
    ]
    given = [value(name, onnx.TensorProto.FLOAT, [4]) for name in "ab"]
    wanted = [value(name, onnx.TensorProto.FLOAT, [4]) for name in outputs]
    return helper.make_model(helper.make_graph(nodes, "sums", given, wanted, constants))


SUM = node("Add", ["a", "b"], ["sum"])
ROUND = node("QuantizeLinear", ["sum", "step", "zero"], ["eight"])
BACK = node("DequantizeLinear", ["eight", "step", "zero"], ["rounded"])


def pairs(nodes: list[onnx.NodeProto], *outputs: str) -> list[tuple[str, str]]:
    return [(pair.input, pair.output) for pair in pairs_after_sums(Graph(model(nodes, outputs)))]


def test_a_pair_on_a_sum_is_one_that_shares_nothing_with_others() -> None:
    assert pairs([SUM, ROUND, BACK], "rounded") == [("sum", "rounded")]
    assert pairs([SUM, ROUND, BACK, node("Neg", ["sum"], ["other"])], "rounded", "other") == []
    again = node("DequantizeLinear", ["eight", "step", "zero"], ["again"])
    assert pairs([SUM, ROUND, BACK, again], "rounded", "again") == []
    assert pairs([node("Neg", ["a"], ["sum"]), ROUND, BACK], "rounded") == []


def test_a_sum_is_only_for_relu_where_neither_another_node_nor_the_network_gives_it_out() -> None:
    relu, other = node("Relu", ["rounded"], ["passed"]), node("Neg", ["rounded"], ["other"])
    for nodes, outputs, alone in (
        ([relu], ("passed",), True),
        ([relu], ("passed", "rounded"), False),
        ([relu, other], ("passed", "other"), False),
    ):
        graph = Graph(model([SUM, ROUND, BACK, *nodes], outputs))
        (pair,) = pairs_after_sums(graph)
        assert only_into_relu(graph, pair) == alone


def test_what_only_a_pair_reads_goes_with_it() -> None:
    left = remove_pairs(model([SUM, ROUND, BACK, node("Relu", ["rounded"], ["passed"])], ("passed",)), lambda *_: True)
    assert [(n.op_type, list(n.input)) for n in left.graph.node] == [("Add", ["a", "b"]), ("Relu", ["sum"])]
    assert not left.graph.initializer


@pytest.fixture
def activated_first(tmp_path: Path) -> Path:
    """y = conv(relu(s)) + s for a sum s, as in residual networks that activate first."""
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


def test_a_sum_that_a_residual_reads_besides_relu_keeps_its_negative_values(activated_first: Path) -> None:
    images = [np.random.default_rng(i).standard_normal((1, 4, 8, 8)).astype(np.float32) for i in range(6)]
    graph = Graph(Quantiser(activated_first, images, "minmax").quantised([], images))
    (addition,), (relu,) = graph.nodes("Add"), graph.nodes("Relu")
    (second,) = [n for n in graph.nodes("Conv") if n.name == "second"]
    of_whole = [float(graph.constants[graph.producer[n].input[1]]) for n in (addition.input[1], relu.input[0])]
    of_passed = float(graph.constants[graph.producer[second.input[0]].input[1]])
    sums = [networks.run(_given_out(activated_first, "s"), image) for image in images]
    assert of_whole == pytest.approx([max(np.abs(s).max() for s in sums) / 127] * 2, rel=1e-5)
    assert of_passed == pytest.approx(max(s.max() for s in sums) / 127, rel=1e-5)
    wanted, given = (networks.run(m, images[0]) for m in (activated_first, graph.model))
    np.testing.assert_allclose(given, wanted, atol=0.05 * np.abs(wanted).max())


def _given_out(network: Path, tensor: str) -> onnx.ModelProto:
    shown = onnx.load(network)
    shown.graph.output.insert(0, helper.make_tensor_value_info(tensor, onnx.TensorProto.FLOAT, None))
    return shown


def test_a_convolution_whose_relu_is_mixed_and_read_in_eight_bits_is_rounded_in_front_of_it(tmp_path: Path) -> None:
    """ONNX Runtime would leave the convolution in floating point; the product still reads what is not rounded twice."""
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


def test_between_two_products_in_eight_bits_what_is_given_on_is_rounded(tmp_path: Path) -> None:
    """Where nothing but the second reads it, and no ReLU stands between; of one in floating point it is not."""
    rng = np.random.default_rng(0)
    weights = {
        "w1": rng.standard_normal((6, 8)).astype(np.float32),
        "w2": rng.standard_normal((8, 4)).astype(np.float32),
    }
    nodes = [node("Gemm", ["x", "w1"], ["h"], name="first"), node("Gemm", ["h", "w2"], ["y"], name="second")]
    path = networks.save(tmp_path / "n.onnx", nodes, weights, (("x", [2, 6]), ("y", [2, 4])))
    samples = [rng.standard_normal((2, 6)).astype(np.float32) for _ in range(4)]
    quantiser = Quantiser(path, samples, "minmax")
    for float_layers, maker in (([], "DequantizeLinear"), (["second"], "Gemm")):
        graph = Graph(quantiser.quantised(float_layers, samples))
        assert graph.producer[graph.nodes("Gemm")[1].input[0]].op_type == maker
