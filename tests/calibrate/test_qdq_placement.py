from collections import Counter
from pathlib import Path

import networks
import numpy as np
import onnx
import onnxruntime as ort
import pytest

from calibrate.bias_correction import with_room_for_biases
from calibrate.onnx_graph import Graph
from calibrate.qdq_placement import fusible
from calibrate.quantise import Quantiser


def exact(model: onnx.ModelProto, array: np.ndarray) -> np.ndarray:
    """Run as the graph is written, without ONNX Runtime's own integer kernels."""
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = ort.InferenceSession(model.SerializeToString(), options)
    return session.run(None, {session.get_inputs()[0].name: array})[0]


@pytest.fixture
def separable(tmp_path: Path) -> onnx.ModelProto:
    images = [np.random.default_rng(i).standard_normal((1, 3, 16, 16)).astype(np.float32) for i in range(8)]
    return Quantiser(networks.separable(tmp_path / "s.onnx"), images, "minmax").quantised([], images)


@pytest.fixture
def student(tmp_path: Path) -> onnx.ModelProto:
    clips = networks.clips(16)
    samples = [clips[i : i + 1] for i in range(16)]
    return Quantiser(networks.student(tmp_path / "s.onnx"), samples, "minmax").quantised([], samples)


def test_nothing_stands_between_a_convolution_and_its_relu_in_what_tensorrt_gets(student: onnx.ModelProto) -> None:
    model = fusible(student)
    onnx.checker.check_model(model, full_check=True)
    graph = Graph(model)
    assert [graph.maker[r.input[0]].op_type for r in graph.nodes("Relu")] == ["Conv", "Conv", "Add"]


def test_of_a_residual_addition_only_the_shortcut_is_in_eight_bits(student: onnx.ModelProto) -> None:
    graph = Graph(fusible(student))
    (addition,) = graph.nodes("Add")
    assert Counter(graph.maker[i].op_type for i in addition.input) == {"Conv": 1, "DequantizeLinear": 1}


def test_taking_the_pairs_out_before_relu_changes_no_value(separable: onnx.ModelProto) -> None:
    image = np.random.default_rng(5).standard_normal((1, 3, 16, 16)).astype(np.float32)
    assert len(fusible(separable).graph.node) < len(separable.graph.node)
    np.testing.assert_allclose(exact(fusible(separable), image), exact(separable, image), rtol=1e-5, atol=1e-5)


def test_in_front_of_a_relu_stands_the_step_of_what_it_passes(student: onnx.ModelProto) -> None:
    graph = Graph(student)
    pairs = [(d, t) for d in graph.nodes("DequantizeLinear") for t in graph.takers[d.output[0]] if t.op_type == "Relu"]
    assert pairs
    for before, relu in pairs:
        (behind,) = graph.takers[relu.output[0]]
        assert behind.op_type == "QuantizeLinear"
        assert before.input[1] == behind.input[1]


def test_a_bias_that_int32_cannot_hold_gets_coarser_weights(separable: onnx.ModelProto) -> None:
    model = onnx.ModelProto()
    model.CopyFrom(separable)
    graph = Graph(model)
    convolution = next(n for n in graph.nodes("Conv") if n.name == "pointwise")
    steps = graph.maker[convolution.input[1]].input[1]
    graph.set_constant(steps, np.where(np.arange(6) == 0, 1e-12, graph.constants[steps]))
    roomy = Graph(with_room_for_biases(model))
    activation = float(roomy.constants[roomy.maker[convolution.input[0]].input[1]])
    lengths = np.abs(roomy.constants[convolution.input[2]]) / (activation * roomy.constants[steps])
    assert lengths.max() <= 2**31 - 1
    np.testing.assert_array_equal(roomy.constants[steps][1:], graph.constants[steps][1:])
