from pathlib import Path

import networks
import numpy as np
import onnx
import onnxruntime as ort
import pytest
from int8_networks import residual, separable, student

from calibrate.quantisation.bias_correction import scales_widened_for_biases
from calibrate.quantisation.onnx_graph import Graph
from calibrate.quantisation.qdq_placement import relu_scale_before_relu
from calibrate.quantisation.quantise import Quantiser
from edge.engines.onnx_runtime import DISABLED_OPTIMIZERS

__all__ = ["separable", "student"]


def test_a_sum_that_a_float_product_reads_is_quantised_for_convolutions_only(tmp_path: Path) -> None:
    graph = Graph(residual(tmp_path, mixed=True))
    (product,), (addition,) = graph.nodes("MatMul"), graph.nodes("Add")
    (behind_sum,) = graph.consumers[addition.output[0]]
    assert behind_sum.op_type == "Relu" and product.input[0] == behind_sum.output[0]
    shortcut = next(n for n in graph.nodes("Conv") if n.name == "shortcut")
    assert graph.producer[graph.producer[shortcut.input[0]].input[0]].input[0] == behind_sum.output[0]
    # The product reads the addition's result unrounded.
    image = np.random.default_rng(9).standard_normal((1, 3, 4, 6)).astype(np.float32)
    shown = onnx.ModelProto()
    shown.CopyFrom(graph.model)
    names = [*addition.input, product.input[0]]
    shown.graph.output.extend(onnx.helper.make_tensor_value_info(n, onnx.TensorProto.FLOAT, None) for n in names)
    left, right, read = ort.InferenceSession(shown.SerializeToString()).run(names, {"image": image})
    np.testing.assert_allclose(read, np.maximum(left + right, 0), rtol=1e-6)


def test_a_sum_that_only_convolutions_read_is_quantised(tmp_path: Path) -> None:
    graph = Graph(residual(tmp_path, mixed=False))
    (addition,) = graph.nodes("Add")
    assert [graph.producer[n].op_type for n in addition.input] == ["DequantizeLinear", "DequantizeLinear"]
    assert {t.op_type for t in graph.consumers[addition.output[0]]} == {"QuantizeLinear"}


def test_the_pair_before_a_relu_has_the_scale_of_the_pair_behind(student: onnx.ModelProto) -> None:
    graph = Graph(student)
    pairs = [
        (d, t) for d in graph.nodes("DequantizeLinear") for t in graph.consumers[d.output[0]] if t.op_type == "Relu"
    ]
    assert pairs
    for before, relu in pairs:
        behind = graph.consumers[relu.output[0]]
        assert {b.op_type for b in behind} == {"QuantizeLinear"}
        assert {b.input[1] for b in behind} == {before.input[1]}


def test_the_pair_before_a_relu_has_the_largest_of_several_scales_behind() -> None:
    node, zero = onnx.helper.make_node, onnx.numpy_helper.from_array(np.zeros((), np.int8), "zero")
    steps = [onnx.numpy_helper.from_array(np.array(step, np.float32), f"step{step}") for step in (0.1, 0.3, 9)]

    def pair(given: str, step: float, gives: str) -> list[onnx.NodeProto]:
        return [
            node("QuantizeLinear", [given, f"step{step}", "zero"], [f"{gives}.eight"]),
            node("DequantizeLinear", [f"{gives}.eight", f"step{step}", "zero"], [gives]),
        ]

    nodes = [node("Add", ["a", "b"], ["sum"]), *pair("sum", 9, "rounded"), node("Relu", ["rounded"], ["relu"])]
    nodes += [*pair("relu", 0.1, "fine"), *pair("relu", 0.3, "coarse")]
    values = [onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [4]) for name in "ab"]
    gives = [onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [4]) for name in ("fine", "coarse")]
    model = onnx.helper.make_model(onnx.helper.make_graph(nodes, "sum", values, gives, [*steps, zero]))
    first, *behind = Graph(relu_scale_before_relu(model)).nodes("QuantizeLinear")
    assert (first.input[0], first.input[1]) == ("sum", "step0.3")
    assert [(n.input[0], n.input[1]) for n in behind] == [("relu", "step0.1"), ("relu", "step0.3")]


def test_a_bias_that_would_overflow_int32_widens_the_weight_scale(separable: onnx.ModelProto) -> None:
    model = onnx.ModelProto()
    model.CopyFrom(separable)
    graph = Graph(model)
    convolution = next(n for n in graph.nodes("Conv") if n.name == "pointwise")
    steps = graph.producer[convolution.input[1]].input[1]
    graph.set_constant(steps, np.where(np.arange(6) == 0, 1e-12, graph.constants[steps]))
    roomy = Graph(scales_widened_for_biases(model))
    activation = float(roomy.constants[roomy.producer[convolution.input[0]].input[1]])
    lengths = np.abs(roomy.constants[convolution.input[2]]) / (activation * roomy.constants[steps])
    assert lengths.max() <= 2**31 - 1
    np.testing.assert_array_equal(roomy.constants[steps][1:], graph.constants[steps][1:])
    rows = roomy.producer[convolution.input[1]].input[0]
    before, after = (g.constants[rows].reshape(6, -1) * g.constants[steps][:, None] for g in (graph, roomy))
    assert np.abs(after - before).max() <= roomy.constants[steps][0] / 2, "weights change by rounding only"
    largest = np.abs(roomy.constants[rows].astype(int)).max(axis=(1, 2, 3))
    assert (largest[1:] == 127).all(), "where the bias fits, the weights use the full INT8 range"


def test_concatenated_inputs_have_the_scale_of_the_output(separable: onnx.ModelProto) -> None:
    graph = Graph(separable)
    (join,) = graph.nodes("Concat")
    (behind,) = graph.consumers[join.output[0]]
    inputs = [graph.producer[name] for name in join.input]
    assert {(n.op_type, n.input[1]) for n in inputs} == {("DequantizeLinear", behind.input[1])}


def test_an_int8_concat_rounds_once(separable: onnx.ModelProto) -> None:
    without_inner = onnx.ModelProto()
    without_inner.CopyFrom(separable)
    graph = Graph(without_inner)
    (join,) = graph.nodes("Concat")
    join.input[:] = [graph.producer[graph.producer[name].input[0]].input[0] for name in join.input]
    image = np.random.default_rng(6).standard_normal((1, 3, 16, 16)).astype(np.float32)
    np.testing.assert_allclose(
        networks.run_exactly(separable, image), networks.run_exactly(without_inner, image), rtol=1e-5, atol=1e-5
    )


@pytest.mark.parametrize(("name", "left"), [("student", "stem"), ("separable", "last")])
def test_onnx_runtime_runs_all_convolutions_with_quantised_outputs_in_int8(
    name: str, left: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    model = request.getfixturevalue(name)
    onnx.save(model, str(tmp_path / "n.int8.onnx"))
    options = ort.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "optimised.onnx")
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    options.log_severity_level = 3
    ort.InferenceSession(str(tmp_path / "n.int8.onnx"), options, disabled_optimizers=DISABLED_OPTIMIZERS)
    nodes = onnx.load(tmp_path / "optimised.onnx").graph.node
    # The layer before the network's output or a float product is not quantised at its output.
    assert sum(n.op_type == "QLinearConv" for n in nodes) == len(Graph(model).nodes("Conv")) - 1
    assert [n.name for n in nodes if n.op_type in ("Conv", "FusedConv")] == [left]


@pytest.mark.parametrize("gate_kind", ["Sigmoid", "Tanh"])
def test_a_convolution_before_a_sigmoid_or_tanh_is_quantised(tmp_path: Path, gate_kind: str) -> None:
    rng = np.random.default_rng(0)
    weights = {"w1": rng.standard_normal((4, 3, 3, 3)).astype(np.float32), "w2": np.ones((2, 4, 1, 1), np.float32)}
    nodes = [
        networks.helper.make_node("Conv", ["image", "w1"], ["c1"], name="attention", pads=[1, 1, 1, 1]),
        networks.helper.make_node(gate_kind, ["c1"], ["s1"], name="gate"),
        networks.helper.make_node("Conv", ["s1", "w2"], ["map"], name="last"),
    ]
    path = networks.save(tmp_path / "s.onnx", nodes, weights, (("image", [1, 3, 8, 8]), ("map", [1, 2, 8, 8])))
    images = [rng.standard_normal((1, 3, 8, 8)).astype(np.float32) for _ in range(4)]
    graph = Graph(Quantiser(path, images, "minmax").quantised([], images))
    (gate,) = graph.nodes(gate_kind)
    assert graph.producer[gate.input[0]].op_type == "DequantizeLinear"


def test_an_output_that_is_read_inside_too_keeps_its_name_and_exact_values(tmp_path: Path) -> None:
    weights = {"w": np.random.default_rng(0).standard_normal((2, 3, 1, 1)).astype(np.float32)}
    graph = onnx.helper.make_graph(
        [
            networks.helper.make_node("Conv", ["image", "w"], ["map"], name="last"),
            networks.helper.make_node("MaxPool", ["map"], ["largest"], kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
        ],
        "peaks",
        [onnx.helper.make_tensor_value_info("image", 1, [1, 3, 8, 8])],
        [onnx.helper.make_tensor_value_info(name, 1, [1, 2, 8, 8]) for name in ("map", "largest")],
        [onnx.numpy_helper.from_array(weights["w"], "w")],
    )
    onnx.save(
        onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8),
        tmp_path / "p.onnx",
    )
    images = [np.random.default_rng(i).standard_normal((1, 3, 8, 8)).astype(np.float32) for i in range(4)]
    Quantiser(tmp_path / "p.onnx", images, "minmax").write(tmp_path / "p.int8.onnx")
    session = ort.InferenceSession(str(tmp_path / "p.int8.onnx"))
    values, largest = session.run(["map", "largest"], {"image": images[0]})
    padded = np.pad(values, ((0, 0), (0, 0), (1, 1), (1, 1)), constant_values=-np.inf)
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(2, 3))
    np.testing.assert_array_equal(largest, windows.max((4, 5)))
