"""Parser errors as users read them: of recorded texts, and of the real parser."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from calibrate.tensorrt.parser_errors import parser_error, reason
from calibrate.tensorrt.parser_gate import gate

SAID = {
    "": "this TensorRT has no operator Det, or not with these inputs and attributes",
    "false": "this TensorRT has no operator Det, or not with these inputs and attributes",
    "Assertion failed: false": "this TensorRT has no operator Det, or not with these inputs and attributes",
    'creator && "Plugin not found, are the plugin name, version, and namespace correct?"': "this TensorRT has no "
    "operator Det, or not with these inputs and attributes",
    'Assertion failed: creator && "Plugin not found, are the plugin name, version, and namespace correct?"': "this "
    "TensorRT has no operator Det, or not with these inputs and attributes",
    '(mode == "half_pixel" || mode == "asymmetric") && "TensorRT only supports half_pixel and " "asymmetric modes!"': (
        "TensorRT only supports half_pixel and asymmetric modes!"
    ),
    "Assertion failed: shiftIsAllZeros(zeroPoint): Non-zero zero point is not supported.": "Non-zero zero point is not "
    "supported.",
    "Assertion failed: (c == -1 || c * group == n): The kernel: it does not fit.": "The kernel: it does not fit.",
    "Invalid Node - bias_dq\nAPI Usage Error (bias_dq: input has type Int32)\n[checkMacros.cpp::catchCudaError::250] "
    "Error Code 1: Cuda Runtime": "Invalid Node - bias_dq\nAPI Usage Error (bias_dq: input has type Int32)",
    "This version of TensorRT doesn't support it": "This version of TensorRT doesn't support it",
    "convertDtype(onnxType, &newType)": "convertDtype(onnxType, &newType)",
}


@pytest.mark.parametrize(("said", "told"), SAID.items())
def test_the_message_is_the_text_and_not_the_condition(said: str, told: str) -> None:
    assert reason(said, "Det") == told


def network(path: Path, node: onnx.NodeProto, *constants: onnx.TensorProto) -> Path:
    taken = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, 8, 8])
    given = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    graph = helper.make_graph([node], "one", [taken], [given], list(constants))
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), path)
    return path


@pytest.mark.parametrize(
    ("reported", "told"),
    [
        ({"node": -1}, "this TensorRT has no operator of that kind"),
        ({"node": 1}, "this TensorRT has no operator of that kind"),
        ({"node": 0}, "odd (Det): this TensorRT has no operator Det"),
        # Of the body of a loop, whose numbers start again at 0.
        (
            {"node": 0, "node_name": "inner", "node_operator": "Loop"},
            "inner (Loop): this TensorRT has no operator Loop",
        ),
    ],
)
def test_node_and_operator_are_stated_if_they_are_known(tmp_path: Path, reported: dict, told: str) -> None:
    model = onnx.load(network(tmp_path / "det.onnx", helper.make_node("Det", ["x"], ["y"], name="odd")))
    error = SimpleNamespace(
        **{name: lambda value=value: value for name, value in reported.items()}, desc=lambda: "false"
    )
    assert str(parser_error(error, model)) == f"{told}, or not with these inputs and attributes"


def test_an_operator_that_the_real_parser_does_not_support_is_named_with_its_node(tmp_path: Path) -> None:
    pytest.importorskip("tensorrt_rtx", reason="pip install tensorrt-rtx-cu13")
    (found,) = gate(network(tmp_path / "det.onnx", helper.make_node("Det", ["x"], ["y"], name="odd"))).errors
    assert str(found) == "odd (Det): this TensorRT has no operator Det, or not with these inputs and attributes"


def test_an_unsupported_mode_is_reported_with_the_real_parsers_text(tmp_path: Path) -> None:
    pytest.importorskip("tensorrt_rtx", reason="pip install tensorrt-rtx-cu13")
    scales = numpy_helper.from_array(np.array([1, 1, 2, 2], np.float32), "scales")
    crop = helper.make_node(
        "Resize", ["x", "", "scales"], ["y"], mode="cubic", coordinate_transformation_mode="tf_crop_and_resize"
    )
    (found,) = gate(network(tmp_path / "resize.onnx", crop, scales)).errors
    assert found.message.startswith("TensorRT only supports half_pixel") and "&&" not in found.message
