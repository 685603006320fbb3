from pathlib import Path

import networks
import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import TensorProto, numpy_helper

from calibrate.quantisation.onnx_graph import Graph
from calibrate.quantisation.quantise import Quantiser
from calibrate.tensorrt.half_precision import to_half_precision
from calibrate.tensorrt.qdq_fusion import fusible
from edge.contract.errors import EngineError


@pytest.mark.parametrize(
    ("network", "given"),
    [
        (networks.student, networks.clips(5)),
        (networks.separable, np.random.default_rng(0).standard_normal((1, 3, 16, 16)).astype(np.float32)),
    ],
)
def test_half_precision_keeps_input_and_output_types_and_close_values(tmp_path: Path, network, given) -> None:
    source = network(tmp_path / "network.onnx")
    half = to_half_precision(onnx.load(source))
    onnx.checker.check_model(half, full_check=True)
    session = ort.InferenceSession(half.SerializeToString())
    assert [i.type for i in session.get_inputs()] == ["tensor(float)"]
    wanted, given = networks.run(source, given), networks.run(half, given)
    assert given.dtype == np.float32
    np.testing.assert_allclose(given, wanted, atol=0.01 * np.abs(wanted).max())
    assert np.abs(given - wanted).max() > 0


def test_integers_and_constants_that_are_listed_as_inputs_are_converted_too(tmp_path: Path) -> None:
    node, value = networks.helper.make_node, networks.helper.make_tensor_value_info
    nodes = [
        node("Cast", ["x"], ["whole"], to=TensorProto.INT32),
        node("Cast", ["whole"], ["again"], to=TensorProto.FLOAT),
        node("ConstantOfShape", ["size"], ["halves"], value=numpy_helper.from_array(np.float32([0.5]))),
        node("Mul", ["again", "two"], ["product"]),
        node("Add", ["product", "halves"], ["y"]),
    ]
    shapes = (("x", [2]), ("y", [2]))
    constants = {"two": np.array(2, np.float32), "size": np.array([2], np.int64)}
    model = onnx.load(networks.save(tmp_path / "n.onnx", nodes, constants, shapes))
    model.graph.input.append(value("two", TensorProto.FLOAT, []))
    half = to_half_precision(model)
    onnx.checker.check_model(half, full_check=True)
    np.testing.assert_array_equal(networks.run(half, np.array([1.5, -2.75], np.float32)), [2.5, -3.5])


def quiet() -> ort.SessionOptions:
    """Without its warning that it does not fold an FP16 constant."""
    options = ort.SessionOptions()
    options.log_severity_level = 3
    return options


@pytest.fixture
def int8(tmp_path: Path) -> onnx.ModelProto:
    out = tmp_path / "s.int8.onnx"
    Quantiser(networks.student(tmp_path / "s.onnx"), networks.samples(4), "minmax").write(out)
    return fusible(onnx.load(out))


def test_quantised_layers_stay_int8_and_the_others_become_fp16(int8: onnx.ModelProto) -> None:
    half = to_half_precision(int8)
    onnx.checker.check_model(half, full_check=True)
    kinds = {i.name: i.data_type for i in half.graph.initializer}
    pairs = [n for n in half.graph.node if n.op_type in {"QuantizeLinear", "DequantizeLinear"}]
    assert len(pairs) == sum(n.op_type in {"QuantizeLinear", "DequantizeLinear"} for n in int8.graph.node) > 8
    assert {kinds[n.input[1]] for n in pairs} == {TensorProto.FLOAT16}
    assert {kinds[n.input[2]] for n in pairs} == {TensorProto.INT8}
    assert TensorProto.FLOAT not in kinds.values()
    clips = networks.clips(5)
    wanted, given = (
        ort.InferenceSession(m.SerializeToString(), quiet()).run(None, {"clip": clips})[0] for m in (int8, half)
    )
    assert given.dtype == np.float32
    # Values may round differently in INT8.
    np.testing.assert_allclose(given, wanted, atol=0.05 * np.abs(wanted).max())


def test_a_scale_that_half_precision_would_make_zero_is_refused(int8: onnx.ModelProto) -> None:
    scale = next(n.input[1] for n in int8.graph.node if n.op_type == "QuantizeLinear")
    (found,) = [i for i in int8.graph.initializer if i.name == scale]
    found.CopyFrom(numpy_helper.from_array(np.float32(1e-9), scale))
    with pytest.raises(EngineError, match="too small for half precision"):
        to_half_precision(int8)


@pytest.mark.parametrize("damage", ["another type", "nothing that makes a tensor", "no operator set"])
def test_a_damaged_network_is_refused_in_one_line(int8: onnx.ModelProto, damage: str) -> None:
    if damage == "another type":
        int8.graph.output[0].name = next(i.name for i in int8.graph.initializer if i.data_type == TensorProto.INT8)
    elif damage == "no operator set":
        del int8.opset_import[:]
    else:
        int8.graph.node.remove(next(n for n in int8.graph.node if n.op_type == "Relu"))
    with pytest.raises(EngineError, match="cannot be converted to 19: "):
        to_half_precision(int8)


def eight_bit_convolution(folder: Path, weight: np.ndarray, scale: np.ndarray) -> Path:
    """y = conv(x) with INT8 weights (O, 1, 1, 1) and a scale per channel."""
    node = networks.helper.make_node
    nodes = [
        node("QuantizeLinear", ["x", "s", "z"], ["q"], name="quantize"),
        node("DequantizeLinear", ["q", "s", "z"], ["xd"], name="dequantize"),
        node("DequantizeLinear", ["w", "ws", "wz"], ["wd"], name="weights", axis=0),
        node("Conv", ["xd", "wd"], ["y"], name="conv"),
    ]
    weights = {
        "s": np.float32(0.01), "z": np.int8(0), "w": weight.astype(np.int8).reshape(-1, 1, 1, 1),
        "ws": scale.astype(np.float32), "wz": np.zeros(len(scale), np.int8),
    }  # fmt: skip
    return networks.save(folder / "c.int8.onnx", nodes, weights, (("x", [1, 1, 4, 4]), ("y", [1, len(scale), 4, 4])))


SCALES = np.array([1e-12, 2e-9, 7e-8, 1e-6, 3e-5, 0.02])
"""Of channels that a network uses less and less; half precision has 6e-8 and nothing below."""


def test_weights_with_a_scale_too_small_for_fp16_are_requantised(tmp_path: Path) -> None:
    whole = np.array([127, -127, 100, -90, 3, 127])
    half = Graph(to_half_precision(onnx.load(eight_bit_convolution(tmp_path, whole, SCALES)))).constants
    scale, weight = half["ws"], half["w"].ravel().astype(int)
    assert scale.dtype == np.float16 and (scale > 0).all() and np.abs(weight).max() <= 127
    # Each weight is within half a step, and each step is close to the original or to the smallest FP16 number.
    wrong = np.abs(weight * scale.astype(float) - whole * SCALES)
    assert (wrong <= 0.51 * scale.astype(float))[:-1].all() and wrong[-1] <= 127 * 0.02 * 2.0**-11
    assert (scale <= SCALES * (1 + 2.0**-10) + 2.0**-24).all()


def test_a_vectors_only_scale_that_is_too_small_for_fp16_is_requantised(tmp_path: Path) -> None:
    node = networks.helper.make_node
    nodes = [
        node("QuantizeLinear", ["x", "s", "z"], ["q"]),
        node("DequantizeLinear", ["q", "s", "z"], ["xd"]),
        node("DequantizeLinear", ["w", "ws", "z"], ["wd"]),
        node("Mul", ["xd", "wd"], ["y"]),
    ]
    weights = {"s": np.float32([1]), "z": np.int8([0]), "w": np.int8([127, 0, -64]), "ws": np.float32([1e-6])}
    model = onnx.load(networks.save(tmp_path / "v.int8.onnx", nodes, weights, (("x", [3]), ("y", [3]))))
    half = Graph(to_half_precision(model)).constants
    np.testing.assert_allclose(half["w"] * half["ws"].astype(float), [127e-6, 0, -64e-6], atol=0.6e-6)


def test_tensorrt_builds_a_channel_of_nearly_zero_weights(tmp_path: Path) -> None:
    """TensorRT refused the file, because a scale had become 0."""
    pytest.importorskip("tensorrt_rtx", reason="pip install tensorrt-rtx-cu13")
    from calibrate.tensorrt.parser_gate import gate

    report = gate(eight_bit_convolution(tmp_path, np.full(6, 127), SCALES), ("SM86",))
    assert report.errors == () and set(report.engine_bytes) == {"SM86", "SM86, in half precision"}


def test_resize_scales_are_unchanged(tmp_path: Path) -> None:
    node = networks.helper.make_node("Resize", ["x", "", "scales"], ["y"], mode="linear")
    scales = {"scales": np.array([1, 1, 2.5, 3.1], np.float32)}
    path = networks.save(tmp_path / "r.onnx", [node], scales, (("x", [1, 3, 8, 8]), ("y", [1, 3, 20, 24])))
    half = to_half_precision(onnx.load(path))
    onnx.checker.check_model(half, full_check=True)
    x = np.random.default_rng(0).standard_normal((1, 3, 8, 8)).astype(np.float32)
    np.testing.assert_allclose(networks.run(half, x), networks.run(path, x), atol=0.01)
    pytest.importorskip("tensorrt_rtx", reason="pip install tensorrt-rtx-cu13")
    from calibrate.tensorrt.parser_gate import gate

    assert gate(path, ("SM86",)).errors == ()


@pytest.mark.parametrize("form", [{"value_float": 2.0}, {"value_floats": [2.0, -1e9, 3.0, 0.5]}])
def test_value_float_constants_become_fp16(tmp_path: Path, form: dict) -> None:
    nodes = [
        networks.helper.make_node("Constant", [], ["k"], **form),
        networks.helper.make_node("Max", ["x", "k"], ["y"]),
    ]
    path = networks.save(tmp_path / "k.onnx", nodes, {}, (("x", [1, 4]), ("y", [1, 4])))
    half = to_half_precision(onnx.load(path))
    onnx.checker.check_model(half, full_check=True)
    x = np.array([[1, -5, 4, -8]], np.float32)
    np.testing.assert_array_equal(networks.run(half, x), np.maximum(x, next(iter(form.values()))))


@pytest.mark.parametrize("name", ["s.onnx", "s.int8.onnx"])
def test_tensorrt_builds_it(tmp_path: Path, int8: onnx.ModelProto, name: str) -> None:
    pytest.importorskip("tensorrt_rtx", reason="pip install tensorrt-rtx-cu13")
    from calibrate.tensorrt.parser_gate import gate

    report = gate(tmp_path / name, ("SM86",))
    assert report.errors == () and set(report.engine_bytes) == {"SM86", "SM86, in half precision"}


def test_the_gate_reports_what_cannot_be_fp16(tmp_path: Path, int8: onnx.ModelProto) -> None:
    """The original file is valid: up to TensorRT 10 the engine is built from it, from 11 on it is not."""
    pytest.importorskip("tensorrt_rtx", reason="pip install tensorrt-rtx-cu13")
    from calibrate.tensorrt.parser_gate import gate

    scale = next(n.input[1] for n in int8.graph.node if n.op_type == "QuantizeLinear")
    (found,) = [i for i in int8.graph.initializer if i.name == scale]
    found.CopyFrom(numpy_helper.from_array(np.float32(1e-9), scale))
    onnx.save(int8, tmp_path / "small.onnx")
    report = gate(tmp_path / "small.onnx", ("SM86",))
    assert [str(e) for e in report.errors] == [
        f"in half precision: the scale {scale} is too small for half precision; choose fp16 or fp32"
    ]
    assert set(report.engine_bytes) == {"SM86"}
