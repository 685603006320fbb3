from collections import Counter
from pathlib import Path

import networks
import numpy as np
import onnx
import onnxruntime as ort
import pytest

from calibrate.quantisation.bias_correction import scales_widened_for_biases
from calibrate.quantisation.onnx_graph import Graph
from calibrate.quantisation.qdq_placement import relu_scale_before_relu
from calibrate.quantisation.quantise import Quantiser
from calibrate.tensorrt.qdq_fusion import fusible, shared
from edge.engines.onnx_runtime import DISABLED_OPTIMIZERS


@pytest.fixture
def separable(tmp_path: Path) -> onnx.ModelProto:
    images = networks.images(8)
    return Quantiser(networks.separable(tmp_path / "s.onnx"), images, "minmax").quantised([], images)


@pytest.fixture
def student(tmp_path: Path) -> onnx.ModelProto:
    samples = networks.samples(16)
    return Quantiser(networks.student(tmp_path / "s.onnx"), samples, "minmax").quantised([], samples)


def test_tensorrt_gets_no_pair_between_convolution_and_relu(student: onnx.ModelProto) -> None:
    model = fusible(student)
    onnx.checker.check_model(model, full_check=True)
    graph = Graph(model)
    assert [graph.producer[r.input[0]].op_type for r in graph.nodes("Relu")] == ["Conv", "Conv", "Add"]
    assert set(graph.constants) == {name for n in model.graph.node for name in n.input} & set(graph.constants)


def test_tensorrt_gets_a_pair_on_the_residual_input_only_and_one_for_all_readers(tmp_path: Path) -> None:
    graph = Graph(fusible(residual(tmp_path, mixed=False)))
    (addition,) = graph.nodes("Add")
    assert Counter(graph.producer[i].op_type for i in addition.input) == {"Conv": 1, "DequantizeLinear": 1}
    assert set(Counter(quantize.input[0] for quantize in graph.nodes("QuantizeLinear")).values()) == {1}


@pytest.mark.parametrize("behind", ["nothing", "a product", "a pair"])
@pytest.mark.parametrize(
    ("inputs", "read"),
    [
        (("conv1", "conv2"), ["Conv", "DequantizeLinear"]),
        (("conv1", "add1"), ["Conv", "DequantizeLinear"]),
        (("add1", "conv1"), ["DequantizeLinear", "Conv"]),
        (("add1", "add2"), ["DequantizeLinear", "DequantizeLinear"]),
    ],
)
def test_tensorrt_fuses_a_sum_with_a_convolution_and_reads_the_rest_in_the_type_of_its_result(
    tmp_path: Path, inputs: tuple[str, str], read: list[str], behind: str
) -> None:
    node = networks.helper.make_node
    nodes = [
        *(node("Conv", ["x", "w"], [f"conv{n}"]) for n in (1, 2)),
        *(node("Add", ["x", "x"], [f"add{n}"]) for n in (1, 2)),
        *(node("QuantizeLinear", [name, f"{name}.step", "zero"], [f"{name}.eight"]) for name in inputs),
        *(node("DequantizeLinear", [f"{name}.eight", f"{name}.step", "zero"], [f"{name}.dq"]) for name in inputs),
        node("Add", [f"{name}.dq" for name in inputs], ["sum" if behind != "nothing" else "y"], name="sum"),
    ]
    if behind != "nothing":
        nodes += [
            node("Relu", ["sum"], ["positive"]),
            node("QuantizeLinear", ["positive", "add1.step", "zero"], ["eight"]),
            node("DequantizeLinear", ["eight", "add1.step", "zero"], ["y"]),
        ]
    if behind == "a product":
        nodes += [node("MatMul", ["positive", "positive"], ["mixed"]), node("Mul", ["y", "mixed"], ["z"])]
    weights = {"w": np.ones((1, 1, 1, 1), np.float32), "zero": np.int8(0)}
    weights |= {f"{name}.step": np.float32(0.1) for name in (*inputs, "add1")}
    output = "z" if behind == "a product" else "y"
    path = networks.save(tmp_path / "sum.onnx", nodes, weights, (("x", [1, 1, 2, 2]), (output, [1, 1, 2, 2])))
    graph = Graph(fusible(onnx.load(path)))
    (addition,) = (n for n in graph.nodes("Add") if n.name == "sum")
    in_float = [name.rstrip("12").capitalize() for name in inputs]
    assert [graph.producer[name].op_type for name in addition.input] == (read if behind == "a pair" else in_float)


def residual(folder: Path, *, mixed: bool) -> onnx.ModelProto:
    """relu(conv(x) + x) in INT8, read by a convolution directly and by another, which may mix joints first."""
    rng = np.random.default_rng(0)
    weights = {f"w{n}": rng.standard_normal((8, 8 if n else 3, 1, 1)).astype(np.float32) for n in range(3)}
    weights["mix"] = rng.standard_normal((6, 6)).astype(np.float32)
    node = networks.helper.make_node
    nodes = [
        node("Conv", ["image", "w0"], ["c0"], name="first"),
        node("Relu", ["c0"], ["x0"]),
        node("Conv", ["x0", "w1"], ["c1"], name="main"),
        node("Add", ["c1", "x0"], ["sum"], name="residual"),
        node("Relu", ["sum"], ["x1"]),
        node("MatMul" if mixed else "Identity", ["x1", "mix"] if mixed else ["x1"], ["m1"]),
        node("Conv", ["m1", "w2"], ["c2"], name="behind"),
        node("Conv", ["x1", "w2"], ["c3"], name="shortcut"),
        node("Concat", ["c2", "c3"], ["map"], axis=1),
    ]
    shapes = (("image", [1, 3, 4, 6]), ("map", [1, 16, 4, 6]))
    path = networks.save(folder / "residual.onnx", nodes, weights, shapes)
    images = [np.random.default_rng(i).standard_normal((1, 3, 4, 6)).astype(np.float32) for i in range(8)]
    return Quantiser(path, images, "minmax").quantised([], images)


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


def test_removing_the_pairs_before_relu_changes_no_value(separable: onnx.ModelProto) -> None:
    image = np.random.default_rng(5).standard_normal((1, 3, 16, 16)).astype(np.float32)
    assert len(fusible(separable).graph.node) < len(separable.graph.node)
    np.testing.assert_allclose(
        networks.run_exactly(fusible(separable), image), networks.run_exactly(separable, image), rtol=1e-5, atol=1e-5
    )


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


def readers(model: onnx.ModelProto) -> list[int]:
    """The number of readers of each pair."""
    graph = Graph(model)
    return [len(graph.consumers[d.output[0]]) for d in graph.nodes("DequantizeLinear")]


def test_each_reader_has_its_own_pair_and_tensorrt_gets_one_per_tensor(tmp_path: Path) -> None:
    model = residual(tmp_path, mixed=False)
    assert set(readers(model)) == {1}
    assert max(readers(shared(model))) > 1
    image = np.random.default_rng(7).standard_normal((1, 3, 4, 6)).astype(np.float32)
    np.testing.assert_array_equal(networks.run_exactly(shared(model), image), networks.run_exactly(model, image))


def test_only_equal_quantising_nodes_are_merged_and_outputs_are_kept(tmp_path: Path) -> None:
    node, whole = networks.helper.make_node, ["step", "zero"]
    nodes = [
        *(node("QuantizeLinear", ["x", *whole], [f"{name}.eight"]) for name in "ab"),
        *(node("DequantizeLinear", [f"{name}.eight", *whole], [name]) for name in "ab"),
        *(node("DequantizeLinear", ["w", "steps", "zeros"], [f"w{axis}"], axis=axis) for axis in (0, 1)),
        *(node("MaxPool", ["x"], [f"m{n}"], kernel_shape=[n, n], pads=[n // 2] * 4) for n in (1, 3)),
        node("Sum", ["m1", "m3", "w0", "w1"], ["y"]),
    ]
    weights = {"step": np.float32(0.1), "zero": np.int8(0), "w": np.eye(4, dtype=np.int8)}
    weights |= {"steps": np.arange(1, 5, dtype=np.float32), "zeros": np.zeros(4, np.int8)}
    shape = [1, 1, 4, 4]
    model = onnx.load(networks.save(tmp_path / "n.onnx", nodes, weights, (("x", shape), ("a", shape))))
    model.graph.output.extend(onnx.helper.make_tensor_value_info(o, onnx.TensorProto.FLOAT, shape) for o in "by")
    merged = Counter(n.op_type for n in shared(model).graph.node)
    assert merged == {"QuantizeLinear": 1, "DequantizeLinear": 4, "MaxPool": 2, "Sum": 1}


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
