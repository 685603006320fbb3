"""Our rules and TensorRT's real parser refuse the same broken networks."""

from pathlib import Path

import networks
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from calibrate.quantisation.quantise import Quantiser
from calibrate.tensorrt.parser_gate import gate
from calibrate.tensorrt.rules import notes, violations
from edge.contract.errors import EngineError


def convolution(path: Path, *, zero_point: int = 0, kind: type = np.int8, int32_bias: bool = False) -> Path:
    """One quantised convolution."""
    weights = {
        "s": np.float32(0.05),
        "z": np.array(zero_point, kind),
        "w8": np.random.default_rng(0).integers(-127, 127, (4, 3, 3, 3)).astype(np.int8),
        "ws": np.full(4, 0.01, np.float32),
        "wz": np.zeros(4, np.int8),
        "b": np.arange(4, dtype=np.int32 if int32_bias else np.float32),
        "bs": np.full(4, 5e-4, np.float32),
    }
    nodes = [
        helper.make_node("QuantizeLinear", ["image", "s", "z"], ["q"], name="quantise_image"),
        helper.make_node("DequantizeLinear", ["q", "s", "z"], ["x"], name="dequantise_image"),
        helper.make_node("DequantizeLinear", ["w8", "ws", "wz"], ["w"], name="dequantise_weight", axis=0),
        helper.make_node("Conv", ["x", "w", "bf" if int32_bias else "b"], ["map"], name="conv", kernel_shape=[3, 3]),
    ]
    if int32_bias:
        nodes.insert(3, helper.make_node("DequantizeLinear", ["b", "bs"], ["bf"], name="dequantise_bias", axis=0))
    return networks.save(path, nodes, weights, (("image", [1, 3, 8, 8]), ("map", [1, 4, 6, 6])))


@pytest.mark.parametrize("initializers", [{"s", "z", "w8", "ws", "wz", "b"}, {"w8"}, set()])
def test_a_valid_convolution_passes_rules_and_parser(tmp_path: Path, initializers: set[str]) -> None:
    """Other exporters write some constants as nodes."""
    pytest.importorskip("tensorrt_rtx", reason="pip install tensorrt-rtx-cu13")
    path = convolution(tmp_path / "conv.onnx")
    model = onnx.load(path)
    for constant in [i for i in model.graph.initializer if i.name not in initializers]:
        model.graph.node.insert(0, helper.make_node("Constant", [], [constant.name], value=constant))
        model.graph.initializer.remove(constant)
    onnx.save(model, path)
    assert violations(onnx.load(path)) == []
    report = gate(path)
    assert not report.errors
    assert set(report.engine_bytes) == {"SM86", "SM89", "SM120", "SM86, in half precision"}
    assert min(report.engine_bytes.values()) > 1000


def test_integers_need_no_zero_point(tmp_path: Path) -> None:
    """Their own type says that they are INT8."""
    model = onnx.load(convolution(tmp_path / "conv.onnx"))
    for node in model.graph.node:
        if node.op_type == "DequantizeLinear":
            node.input.pop()
    assert violations(model) == []


@pytest.mark.parametrize(
    ("broken", "node", "why"),
    [
        ({"int32_bias": True}, "dequantise_bias", "int32"),
        ({"zero_point": 3}, "quantise_image", "zero point is not 0"),
    ],
)
def test_rules_and_parser_refuse_the_same_and_name_the_node(tmp_path: Path, broken: dict, node: str, why: str) -> None:
    pytest.importorskip("tensorrt_rtx", reason="pip install tensorrt-rtx-cu13")
    path = convolution(tmp_path / "conv.onnx", **broken)
    found = violations(onnx.load(path))
    assert any(node in line and why in line for line in found)
    report = gate(path)
    assert report.errors
    assert report.errors[0].operator in {"QuantizeLinear", "DequantizeLinear"}
    assert report.errors[0].node in {"quantise_image", "dequantise_image", "dequantise_bias"}


def test_a_convolution_with_computed_weights_states_its_kernel_shape(tmp_path: Path) -> None:
    """TensorRT 8.5.3 refuses it otherwise ("The input tensor shape misaligns with the input kernel shape")."""
    path = convolution(tmp_path / "conv.onnx")
    quantised = onnx.load(path)
    del quantised.graph.node[3].attribute[:]
    in_float = onnx.load(path)
    del in_float.graph.node[3].attribute[:]
    in_float.graph.node[2].CopyFrom(helper.make_node("Cast", ["w8"], ["w"], name="cast", to=TensorProto.FLOAT))
    for model in (quantised, in_float):
        onnx.checker.check_model(model, full_check=True)
        assert violations(model) == ["conv (Conv): its weight is computed and it has no attribute kernel_shape"]


def test_a_constant_node_is_a_constant_weight(tmp_path: Path) -> None:
    weights = numpy_helper.from_array(np.ones((4, 3, 3, 3), np.float32))
    nodes = [
        helper.make_node("Constant", [], ["w"], value=weights),
        helper.make_node("Conv", ["image", "w"], ["map"], name="conv"),
    ]
    path = networks.save(tmp_path / "conv.onnx", nodes, {}, (("image", [1, 3, 8, 8]), ("map", [1, 4, 6, 6])))
    assert violations(onnx.load(path)) == []


def test_uint8_activations_are_a_violation(tmp_path: Path) -> None:
    path = convolution(tmp_path / "conv.onnx", kind=np.uint8)
    assert any("uint8, not int8" in line for line in violations(onnx.load(path)))


def test_asymmetric_weights_are_a_violation(tmp_path: Path) -> None:
    model = onnx.load(convolution(tmp_path / "conv.onnx"))
    (zeros,) = [i for i in model.graph.initializer if i.name == "wz"]
    zeros.CopyFrom(numpy_helper.from_array(np.array([0, 5, 0, 0], np.int8), "wz"))
    assert violations(model) == ["dequantise_weight (DequantizeLinear): its zero point is not 0"]


def test_a_missing_zero_point_means_uint8(tmp_path: Path) -> None:
    model = onnx.load(convolution(tmp_path / "conv.onnx"))
    del model.graph.node[0].input[2]
    assert violations(model) == ["quantise_image (QuantizeLinear): it has no constant zero point, which means uint8"]


def test_a_scale_is_a_positive_constant(tmp_path: Path) -> None:
    model = onnx.load(convolution(tmp_path / "conv.onnx"))
    (scales,) = [i for i in model.graph.initializer if i.name == "ws"]
    scales.CopyFrom(numpy_helper.from_array(np.array([0.1, 0, 0.1, 0.1], np.float32), "ws"))
    model.graph.node[1].input[1] = "computed"
    assert violations(model) == [
        "dequantise_image (DequantizeLinear): its scale is not constant",
        "dequantise_weight (DequantizeLinear): its scale is not positive",
    ]


def test_quantised_weights_under_a_float_activation_are_a_violation(tmp_path: Path) -> None:
    model = onnx.load(convolution(tmp_path / "conv.onnx"))
    model.graph.node[3].input[0] = "image"
    assert any(line.startswith("conv (Conv)") for line in violations(model))


def test_an_operator_set_that_tensorrt_8_5_cannot_read_is_noted() -> None:
    value = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1])
    graph = helper.make_graph([], "empty", [value], [value])
    own = helper.make_opsetid("my.operators", 18)
    assert notes(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17), own])) == []
    assert "operator set 18" in notes(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)]))[0]


def test_the_quantised_student_passes_the_real_parser(tmp_path: Path) -> None:
    pytest.importorskip("tensorrt_rtx", reason="pip install tensorrt-rtx-cu13")
    out = tmp_path / "student.int8.onnx"
    quantiser = Quantiser(networks.student(tmp_path / "student.onnx"), networks.samples(8), "minmax")
    quantiser.write(out)
    assert not gate(out).errors


def test_a_file_that_is_not_a_network_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("tensorrt_rtx", reason="pip install tensorrt-rtx-cu13")
    text = tmp_path / "readme.onnx"
    text.write_text("not a network")
    with pytest.raises(EngineError, match="is not an ONNX file"):
        gate(text)
    with pytest.raises(EngineError, match="is not an ONNX file"):
        gate(text)
    with pytest.raises(EngineError, match="cannot be read"):
        gate(tmp_path / "absent.onnx")
