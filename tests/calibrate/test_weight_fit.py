"""Rounding that makes good with one weight what another lost; truths worked by hand or taken from ONNX Runtime."""

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import helper, numpy_helper

from calibrate.quantisation.onnx_graph import Graph
from calibrate.quantisation.weight_fit import fitted, patches


def convolution(constants: dict[str, np.ndarray], nodes: list[onnx.NodeProto], channels: int) -> onnx.ModelProto:
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes, "one", [value("x", 1, [1, channels, 4, 4])], [value("y", 1, None)],
        [numpy_helper.from_array(np.asarray(c), n) for n, c in constants.items()],
    )  # fmt: skip
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def exact(weight: np.ndarray) -> onnx.ModelProto:
    return convolution({"w": weight}, [helper.make_node("Conv", ["x", "w"], ["y"], name="conv")], weight.shape[1])


def eight_bit(weight: np.ndarray, activation_step: float) -> onnx.ModelProto:
    """The same with weights rounded to the nearest of steps of 1."""
    constants = {
        "s": np.float32(activation_step), "z": np.int8(0), "w8": np.round(weight).astype(np.int8),
        "ws": np.ones(len(weight), np.float32), "wz": np.zeros(len(weight), np.int8),
    }  # fmt: skip
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "s", "z"], ["q"]),
        helper.make_node("DequantizeLinear", ["q", "s", "z"], ["xd"]),
        helper.make_node("DequantizeLinear", ["w8", "ws", "wz"], ["wd"], axis=0),
        helper.make_node("Conv", ["xd", "wd"], ["y"], name="conv"),
    ]
    return convolution(constants, nodes, weight.shape[1])


def weights_of(model: onnx.ModelProto) -> np.ndarray:
    constants = Graph(model).constants
    return (constants["w8"].astype(float) * constants["ws"].reshape(-1, 1, 1, 1))[..., 0, 0]


def test_what_one_weight_loses_by_rounding_the_next_of_a_like_input_makes_good() -> None:
    # Both inputs are the same picture, so 0.4 + 0.4 is what counts: nearest gives 0, in turn gives 0 and 1.
    weight = np.array([0.4, 0.4, 127.0], np.float32).reshape(1, 3, 1, 1)
    rng = np.random.default_rng(0)
    same, other = rng.uniform(-1, 1, (2, 20, 1, 1, 4, 4)).astype(np.float32)
    samples = [np.concatenate([a, a, b], axis=1) for a, b in zip(same, other, strict=True)]
    given = weights_of(fitted(eight_bit(weight, 1 / 127), exact(weight), samples))
    np.testing.assert_allclose(sorted(given[0]), [0, 1, 127], atol=0.02)


def test_weights_make_good_half_of_what_eight_bits_cut_off_the_activations() -> None:
    # Activations are -2 or 2, eight bits reach to 1: the layer gets half of each and must double it. Drawn towards 3 by
    # as much as the inputs vary, it goes half of the way.
    weight = np.array([3.0], np.float32).reshape(1, 1, 1, 1)
    rng = np.random.default_rng(0)
    samples = [rng.choice([-2, 2], (1, 1, 4, 4)).astype(np.float32) for _ in range(8)]
    given = fitted(eight_bit(weight, 1 / 127), exact(weight), samples)
    np.testing.assert_allclose(weights_of(given), [[4.5]], rtol=0.01)


def test_the_bias_takes_the_mean_that_is_left() -> None:
    # Activations are 0 or 4, and eight bits reach to 1: 4 w becomes w' + b, with 0 for 0.
    weight = np.array([2.0], np.float32).reshape(1, 1, 1, 1)
    samples = [np.full((1, 1, 4, 4), 4, np.float32)]
    given = fitted(eight_bit(weight, 1 / 127), exact(weight), samples)
    session = ort.InferenceSession(given.SerializeToString())
    # A constant input says nothing of the weight, which stays, so the bias alone brings 2 back to 8.
    np.testing.assert_allclose(session.run(None, {"x": samples[0]})[0], np.full((1, 1, 4, 4), 8), rtol=1e-4)
    np.testing.assert_allclose(weights_of(given), [[2]], rtol=1e-4)


def test_inputs_that_never_vary_leave_the_weights_and_the_mean_output_what_they_were() -> None:
    """As behind channels that a network does not use: single precision makes of their variance less than nothing."""
    rng = np.random.default_rng(4)
    weight = rng.integers(-127, 128, (3, 24, 1, 1)).astype(np.float32)
    weight[:, 0] = 127
    constant = rng.uniform(1, 100, (1, 24, 1, 1))
    samples = [np.broadcast_to(constant, (1, 24, 4, 4)).astype(np.float32) for _ in range(5)]
    given = fitted(eight_bit(weight, 1.0), exact(weight), samples)
    np.testing.assert_allclose(weights_of(given), weight[..., 0, 0], rtol=1e-6)
    (output,) = ort.InferenceSession(given.SerializeToString()).run(None, {"x": samples[0]})
    wanted = (weight[..., 0, 0] @ constant.ravel()).reshape(1, 3, 1, 1)
    np.testing.assert_allclose(output, np.broadcast_to(wanted, output.shape), rtol=1e-4)


@pytest.mark.parametrize(
    ("kernel", "group", "attributes"),
    [
        ([3, 3], 1, {"pads": [1, 1, 1, 1]}),
        ([3, 3], 4, {"pads": [0, 0, 1, 1], "strides": [2, 2]}),
        ([1, 5], 2, {"pads": [0, 2, 0, 2], "strides": [1, 2]}),
        ([3, 1], 1, {"pads": [2, 0, 2, 0], "dilations": [2, 1]}),
    ],
)
def test_patches_times_weights_are_what_onnx_runtime_convolves(kernel, group, attributes) -> None:
    rng = np.random.default_rng(3)
    x = rng.standard_normal((1, 4, 4, 4)).astype(np.float32)
    weight = rng.standard_normal((8, 4 // group, *kernel)).astype(np.float32)
    node = helper.make_node("Conv", ["x", "w"], ["y"], name="conv", group=group, kernel_shape=kernel, **attributes)
    session = ort.InferenceSession(convolution({"w": weight}, [node], 4).SerializeToString())
    (wanted,) = session.run(None, {"x": x})
    given = weight.reshape(group, 8 // group, -1) @ patches(x, node, kernel)
    np.testing.assert_allclose(given.reshape(wanted.shape), wanted, rtol=1e-4, atol=1e-5)
