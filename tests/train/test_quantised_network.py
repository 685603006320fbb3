"""An INT8 network in PyTorch computes what ONNX Runtime does, with the gradients of the papers, and is written back."""

from pathlib import Path

import networks
import numpy as np
import onnx
import onnxruntime as ort
import pytest
import torch
from onnx import helper, numpy_helper

from calibrate.quantisation.quantise import Quantiser
from edge.contract.errors import EngineError
from train.quantise_aware.onnx_operators import OPERATORS, convolution_bfloat16_gradients, quantise
from train.quantise_aware.quantised_network import QuantisedGraph, quantised_student


def as_written(path: Path, clips: np.ndarray, *tensors: str) -> list[np.ndarray]:
    """Run the Q/DQ graph literally, without ONNX Runtime's integer kernels."""
    model = onnx.load(path)
    model.graph.output.extend(onnx.helper.make_tensor_value_info(t, 1, None) for t in tensors)
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    return ort.InferenceSession(model.SerializeToString(), options).run(None, {"clip": clips})


@pytest.fixture
def int8(tmp_path: Path) -> Path:
    """A small student in INT8, its second layer in floating point."""
    path = tmp_path / "student.int8.onnx"
    quantiser = Quantiser(networks.student(tmp_path / "student.onnx"), networks.samples(16), "minmax")
    quantiser.write(path, ["spatial"])
    return path


@pytest.mark.parametrize("count", [1, 12])
def test_logits_and_features_equal_onnx_runtimes_a_channel_without_weights_included(int8: Path, count: int) -> None:
    model = onnx.load(int8)
    weight = next(i for i in model.graph.initializer if i.data_type == onnx.TensorProto.INT8 and len(i.dims) == 4)
    without = np.where(np.arange(weight.dims[0]) == 1, 0, numpy_helper.to_array(weight).T).T.astype(np.int8)
    weight.CopyFrom(numpy_helper.from_array(without, weight.name))
    onnx.save(model, int8)
    clips = networks.clips(count, seed=5)
    with torch.inference_mode():
        logits, features = quantised_student(int8)(torch.from_numpy(clips))
    wanted, pooled = as_written(int8, clips, "x3")
    np.testing.assert_allclose(logits.numpy(), wanted, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(features.numpy(), pooled, rtol=1e-4, atol=1e-4)


def test_the_gradient_passes_rounding_and_stops_at_clipping() -> None:
    # The largest weight of a channel rounds to the last step: 1.04, but not 1.06.
    x = torch.tensor([-9.0, -0.6, 0.2, 0.26, 1.04, 1.06], requires_grad=True)
    y = quantise(x, torch.tensor(0.1), -10, 10) * 0.1
    np.testing.assert_allclose(y.detach().numpy(), [-1, -0.6, 0.2, 0.3, 1, 1], rtol=1e-6)
    (gradient,) = torch.autograd.grad(y.sum(), x)
    np.testing.assert_allclose(gradient.numpy(), [0, 1, 1, 1, 1, 0])


def test_the_gradient_of_a_step_is_that_of_learned_step_size_quantization() -> None:
    # Esser et al., equation 3: round(v/s) - v/s inside the range, its end outside; by hand for s = 0.5, ends -2, 2.
    for v, wanted in ((0.6, 1 - 1.2), (-0.9, -2 + 1.8), (3.0, 2.0), (-3.0, -2.0)):
        step = torch.tensor(0.5, requires_grad=True)
        (quantise(torch.tensor([v]), step, -2, 2) * step).sum().backward()
        assert step.grad is not None
        assert float(step.grad) == pytest.approx(wanted, abs=1e-6)


def test_per_channel_steps_have_separate_gradients() -> None:
    step = torch.tensor([[0.5], [0.25]], requires_grad=True)
    (quantise(torch.tensor([[0.6, 3.0], [0.3, 0.3]]), step, -2, 2) * step).sum().backward()
    assert step.grad is not None
    np.testing.assert_allclose(step.grad.numpy().ravel(), [-0.2 + 2, 2 * (1 - 1.2)], atol=1e-6)


def test_trained_steps_are_written(int8: Path, tmp_path: Path) -> None:
    wanted = onnx.load(int8).graph.output[0].name
    network, clips = QuantisedGraph(int8, [wanted], learn_steps=True), networks.clips(12, seed=5)
    with torch.no_grad():
        for number, moved in enumerate(network.steps):
            moved += 0.1 * (number % 3 - 1.5)
        (logits,) = network(torch.from_numpy(clips))
    network.write(tmp_path / "trained.int8.onnx")
    (given,) = as_written(tmp_path / "trained.int8.onnx", clips)
    np.testing.assert_allclose(given, logits.numpy(), rtol=1e-4, atol=1e-4)
    assert np.abs(given - as_written(int8, clips)[0]).max() > 1e-3
    before, after = (onnx.load(path).graph for path in (int8, tmp_path / "trained.int8.onnx"))
    steps = {n.input[1] for n in before.node if n.op_type in ("QuantizeLinear", "DequantizeLinear")}
    kept = {i.name for i, j in zip(before.initializer, after.initializer, strict=True) if i == j}
    assert steps and not steps & kept, "those of weights are trained too"


@pytest.mark.parametrize(
    "attributes", [{"pads": [1, 1, 1, 1]}, {"pads": [0, 1, 2, 1], "strides": [2, 1]}, {"group": 2}]
)
def test_bfloat16_gradients_are_close_to_the_gradients(attributes: dict[str, object]) -> None:
    generator = torch.Generator().manual_seed(0)
    groups = attributes.get("group", 1)
    weight = torch.randn(6, 4 // int(str(groups)), 3, 3, generator=generator)
    inputs = (torch.randn(2, 4, 9, 8, generator=generator), weight, torch.randn(6, generator=generator))
    gradients = []
    for convolution in (OPERATORS["Conv"], convolution_bfloat16_gradients):
        leaves = [x.clone().requires_grad_() for x in inputs]
        given = convolution(attributes, *leaves)
        given.square().sum().backward()
        gradients.append([given.detach(), *(x.grad for x in leaves)])
    for exact, coarse in zip(*gradients, strict=True):
        np.testing.assert_allclose(coarse, exact, atol=0.02 * float(exact.abs().max()))
    np.testing.assert_allclose(gradients[0][0], gradients[1][0], rtol=1e-5, atol=1e-5)


def test_only_trained_weights_are_changed_in_the_file(int8: Path, tmp_path: Path) -> None:
    network, before = quantised_student(int8), onnx.load(int8)
    assert len(network.shares) == 4 + 4 + 1  # weights, biases, the joint-mixing matrix
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for weight in network.shares:
            weight += 0.05 * torch.randn(weight.shape, generator=generator)
        clips = networks.clips(12, seed=5)
        logits = network(torch.from_numpy(clips))[0].numpy()
    network.write(tmp_path / "trained.int8.onnx")
    (given,) = as_written(tmp_path / "trained.int8.onnx", clips)
    np.testing.assert_allclose(given, logits, rtol=1e-4, atol=1e-4)
    assert np.abs(given - as_written(int8, clips)[0]).max() > 0.1
    after = onnx.load(tmp_path / "trained.int8.onnx")
    assert after.graph.node == before.graph.node
    arrays = [{i.name: numpy_helper.to_array(i) for i in m.graph.initializer} for m in (before, after)]
    changed = {name for name in arrays[0] if not np.array_equal(arrays[0][name], arrays[1][name])}
    assert len(changed) == 9 and {"mix", "b1", "b2", "b3", "b4"} < changed
    assert all(arrays[0][name].dtype == arrays[1][name].dtype for name in arrays[0])
    assert all(a.min() >= -127 for a in arrays[1].values() if a.dtype == np.int8)
    assert quantised_student(tmp_path / "trained.int8.onnx").structure_digest() == network.structure_digest()


@pytest.mark.parametrize(
    ("operator", "attribute", "value"),
    [
        ("AveragePool", "pads", [0, 1, 0, 1]),
        ("AveragePool", "ceil_mode", 1),
        ("Conv", "auto_pad", "SAME_UPPER"),
        ("DequantizeLinear", "axis", 1),
        ("Gemm", "alpha", 0.5),
    ],
)
def test_an_attribute_that_training_would_ignore_is_refused(
    int8: Path, operator: str, attribute: str, value: object
) -> None:
    model = onnx.load(int8)
    (pool,) = [n for n in model.graph.node if n.op_type == "GlobalAveragePool"]
    same = {"kernel_shape": [networks.FRAMES, networks.JOINTS], "pads": [0] * 4, "ceil_mode": 0, "auto_pad": "NOTSET"}
    pool.CopyFrom(onnx.helper.make_node("AveragePool", pool.input, pool.output, **same))
    onnx.save(model, int8)
    quantised_student(int8)
    (node, *_) = [n for n in model.graph.node if n.op_type == operator]
    for stated in [a for a in node.attribute if a.name == attribute]:
        node.attribute.remove(stated)
    node.attribute.append(onnx.helper.make_attribute(attribute, value))
    onnx.save(model, int8)
    with pytest.raises(EngineError, match=rf"is a {operator} with {attribute} .+, which is not supported in training"):
        quantised_student(int8)


def test_a_float_network_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="is not quantised"):
        quantised_student(networks.student(tmp_path / "student.onnx"))


@pytest.mark.parametrize(
    ("operator", "attributes"),
    [
        ("MaxPool", {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1]}),
        ("MaxPool", {"kernel_shape": [2, 3], "strides": [2, 1], "pads": [0, 0, 1, 2]}),
        ("AveragePool", {"kernel_shape": [2, 3], "strides": [2, 1]}),
        ("Conv", {"pads": [0, 1, 2, 1], "strides": [2, 1], "group": 2}),
        ("Conv", {"pads": [1, 0, 1, 2], "group": 2}),
        ("Flatten", {"axis": 2}),
        ("Reshape", {}),
        ("DepthToSpace", {"blocksize": 2}),
        ("DepthToSpace", {"blocksize": 2, "mode": "CRD"}),
        ("Tanh", {}),
        ("Sigmoid", {}),
    ],
)
def test_operators_compute_what_onnx_runtime_does(operator: str, attributes: dict[str, object]) -> None:
    constants = {
        "Conv": {"w": np.random.default_rng(1).standard_normal((4, 4, 2, 3)).astype(np.float32)},
        "Reshape": {"shape": np.array([0, -1, 5])},
    }.get(operator, {})
    node = helper.make_node(operator, ["x", *constants], ["y"], **attributes)
    value, given = helper.make_tensor_value_info, [onnx.numpy_helper.from_array(a, n) for n, a in constants.items()]
    graph = helper.make_graph([node], "one", [value("x", 1, [2, 8, 6, 5])], [value("y", 1, None)], given)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    x = np.random.default_rng(0).standard_normal((2, 8, 6, 5)).astype(np.float32)
    (wanted,) = ort.InferenceSession(model.SerializeToString()).run(None, {"x": x})
    read = {a.name: helper.get_attribute_value(a) for a in node.attribute}
    given = OPERATORS[operator](read, *map(torch.from_numpy, (x, *constants.values()))).numpy()
    np.testing.assert_allclose(given, wanted, rtol=1e-5, atol=1e-6)
