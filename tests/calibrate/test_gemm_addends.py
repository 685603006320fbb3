"""What a Gemm adds becomes a bias, or an addition if it is computed or has rows; expected values come from NumPy."""

from pathlib import Path

import networks
import numpy as np
import onnx
import onnxruntime as ort
import pytest

from calibrate.quantisation.preparation import split_addends
from calibrate.quantisation.quantise import Quantiser

RNG = np.random.default_rng(0)
W, B = (RNG.standard_normal(shape).astype(np.float32) for shape in ((4, 3), (4,)))


def network(addend: str, **more: float) -> onnx.ModelProto:
    """y = x W^T + addend; addend "c" is twice the input of that name, "b" a constant."""
    nodes = [
        networks.helper.make_node("Add", ["given", "given"], ["c"], name="twice"),
        networks.helper.make_node("Gemm", ["x", "w", addend], ["sum"], name="layer", transB=1, **more),
        networks.helper.make_node("Mul", ["sum", "c"], ["y"], name="product"),
    ]
    inputs = [networks.helper.make_tensor_value_info(n, 1, [2, size]) for n, size in (("x", 3), ("given", 4))]
    outputs = [networks.helper.make_tensor_value_info("y", 1, [2, 4])]
    constants = [onnx.numpy_helper.from_array(array, name) for name, array in (("w", W), ("b", B))]
    graph = networks.helper.make_graph(nodes, "g", inputs, outputs, constants)
    return networks.helper.make_model(graph, opset_imports=[networks.helper.make_opsetid("", 17)], ir_version=8)


def test_the_function_is_unchanged_and_the_gemm_has_no_addend() -> None:
    apart = split_addends(network("c"))
    onnx.checker.check_model(apart, full_check=True)
    (layer,) = [n for n in apart.graph.node if n.op_type == "Gemm"]
    assert (layer.name, list(layer.input)) == ("layer", ["x", "w"])
    x, given = (RNG.standard_normal((2, size)).astype(np.float32) for size in (3, 4))
    (y,) = ort.InferenceSession(apart.SerializeToString()).run(None, {"x": x, "given": given})
    np.testing.assert_allclose(y, (x @ W.T + 2 * given) * 2 * given, rtol=1e-5)


@pytest.mark.parametrize(("addend", "more"), [("b", {}), ("c", {"beta": 0.5})])
def test_a_constant_bias_and_a_scaled_addend_are_left_alone(addend: str, more: dict[str, float]) -> None:
    model = network(addend, **more)
    assert split_addends(model).graph.node == model.graph.node


@pytest.mark.parametrize("beta", [1.0, 0.5])
@pytest.mark.parametrize("shape", [(4,), (1, 4), (1,), (1, 1), (), (2, 4), (2, 1)])
def test_a_constant_addend_of_any_shape_counts_in_int8_as_often_as_beta_says(
    tmp_path: Path, shape: tuple[int, ...], beta: float
) -> None:
    addend = (3 + RNG.standard_normal(shape)).astype(np.float32)
    node = networks.helper.make_node("Gemm", ["x", "w", "b"], ["y"], name="layer", transB=1, beta=beta)
    path = networks.save(tmp_path / "n.onnx", [node], {"w": W, "b": addend}, (("x", [2, 3]), ("y", [2, 4])))
    samples = [RNG.standard_normal((2, 3)).astype(np.float32) for _ in range(8)]
    for fit in (False, True):
        found = Quantiser(path, samples, "minmax", fit_weights=fit).quantised([], samples)
        assert any(n.op_type == "QuantizeLinear" for n in found.graph.node)
        wanted = samples[0] @ W.T + beta * addend
        np.testing.assert_allclose(networks.run(found, samples[0]), wanted, atol=0.03 * np.abs(wanted).max())
