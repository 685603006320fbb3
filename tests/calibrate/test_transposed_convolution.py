"""Transposed convolutions as convolutions; expected values come from PyTorch."""

from pathlib import Path

import networks
import numpy as np
import onnx
import pytest
import torch

from calibrate.quantisation.onnx_graph import Graph
from calibrate.quantisation.transposed_convolution import as_convolutions

CASES = [(4, 2, 1), (2, 2, 0), (3, 3, 0), (6, 2, 2), (8, 4, 2), (5, 3, 1)]


def network(path: Path, kernel: int, stride: int, pad: int, relu: bool, bias: bool = True, **more: object) -> Path:
    rng = np.random.default_rng(kernel)
    weights = {"w": rng.standard_normal((5, 3, kernel, kernel)).astype(np.float32)}
    if bias:
        weights["b"] = rng.standard_normal(3).astype(np.float32)
    about = {"strides": [stride] * 2, "pads": [pad] * 4, **more}
    raised = "up" if relu else "y"
    nodes = [networks.helper.make_node("ConvTranspose", ["x", *weights], [raised], name="raise", **about)]
    if relu:
        nodes.append(networks.helper.make_node("Relu", ["up"], ["y"], name="relu"))
    return networks.save(path, nodes, weights, (("x", [1, 5, 6, 7]), ("y", [1, "c", "h", "w"])))


@pytest.mark.parametrize("relu", [False, True])
@pytest.mark.parametrize(("kernel", "stride", "pad"), CASES)
def test_the_function_is_unchanged(tmp_path: Path, kernel: int, stride: int, pad: int, relu: bool) -> None:
    model = onnx.load(network(tmp_path / "n.onnx", kernel, stride, pad, relu))
    plain = as_convolutions(model)
    onnx.checker.check_model(plain, full_check=True)
    assert {n.op_type for n in plain.graph.node} == {"Conv", "Concat", "DepthToSpace"} | ({"Relu"} if relu else set())
    x = np.random.default_rng(0).standard_normal((1, 5, 6, 7)).astype(np.float32)
    weights = Graph(model).constants
    wanted = torch.nn.functional.conv_transpose2d(*map(torch.tensor, (x, weights["w"], weights["b"])), stride, pad)
    np.testing.assert_allclose(networks.run(plain, x), (wanted.relu() if relu else wanted).numpy(), atol=1e-4)


def test_the_number_of_multiplications_is_unchanged(tmp_path: Path) -> None:
    plain = as_convolutions(onnx.load(network(tmp_path / "n.onnx", 4, 2, 1, False)))
    taps = sum(Graph(plain).constants[n.input[1]].size for n in plain.graph.node if n.op_type == "Conv")
    assert taps == 5 * 3 * 4 * 4


def test_no_bias_is_added(tmp_path: Path) -> None:
    plain = as_convolutions(onnx.load(network(tmp_path / "n.onnx", 4, 2, 1, False, bias=False)))
    assert all(len(n.input) == 2 for n in plain.graph.node if n.op_type == "Conv")


@pytest.mark.parametrize(
    "more",
    [
        {"dilations": [2, 2]},
        {"output_padding": [1, 1]},
        {"pads": [1, 1, 0, 0]},
        {"strides": [1, 1], "pads": [2, 2, 1, 1]},
        {"strides": [2, 1], "pads": [1, 2, 1, 1]},
        {"group": 5, "bias": False},
        {"output_shape": [11, 13]},
    ],
)
def test_other_transposed_convolutions_are_left_alone(tmp_path: Path, more: dict) -> None:
    model = onnx.load(network(tmp_path / "n.onnx", 4, 2, 1, True, **more))
    assert [n.op_type for n in as_convolutions(model).graph.node] == ["ConvTranspose", "Relu"]


def test_an_output_before_the_relu_keeps_its_negative_values(tmp_path: Path) -> None:
    model = onnx.load(network(tmp_path / "n.onnx", 4, 2, 1, True))
    model.graph.output[0].name = "up"
    x = np.random.default_rng(0).standard_normal((1, 5, 6, 7)).astype(np.float32)
    np.testing.assert_allclose(networks.run(as_convolutions(model), x), networks.run(model, x), atol=1e-4)
