"""``calibrate gate``: TensorRT's own parser and builder, without a GPU."""

import re
from pathlib import Path

import networks
import numpy as np
import onnx
import pytest
from typed import calibrate

from calibrate.quantisation.quantise import Quantiser
from calibrate.tensorrt.builder import Builder
from calibrate.tensorrt.parser_gate import gate


def test_gate_prints_what_is_refused_and_exits_with_1(tmp_path: Path, capsys) -> None:
    pytest.importorskip("tensorrt_rtx", reason="pip install tensorrt-rtx-cu13")
    nodes = [
        networks.helper.make_node("QuantizeLinear", ["x", "s", "z"], ["q"], name="crooked"),
        networks.helper.make_node("DequantizeLinear", ["q", "s", "z"], ["y"]),
    ]
    weights = {"s": np.float32(0.1), "z": np.array(4, np.int8)}
    path = networks.save(tmp_path / "crooked.onnx", nodes, weights, (("x", [1, 4]), ("y", [1, 4])))
    with pytest.raises(SystemExit) as left:
        calibrate("gate", "--onnx", path)
    assert left.value.code == 1
    said = " ".join(capsys.readouterr().err.replace("│", " ").split())
    rule = "refused crooked (QuantizeLinear): its zero point is not 0"
    assert rule in said and "verdict refused" in said and "builds for" not in said
    assert f"`POLYGRAPHY_USE_TENSORRT_RTX=1 polygraphy inspect capability {path}` lists every node" in said
    newer = networks.student(tmp_path / "student.onnx")
    model = onnx.load(newer)
    model.opset_import[0].version = 18
    onnx.save(model, newer)
    calibrate("gate", "--onnx", newer)
    said = " ".join(capsys.readouterr().err.replace("│", " ").split())
    assert re.search(
        r"builds for SM86 [1-9]\.\d MB .*builds for SM86, in half precision [1-9]\.\d MB note operator set 18",
        said,
    )
    assert "verdict passed" in said and "polygraphy" not in said


def test_either_the_parser_or_a_rule_alone_refuses(tmp_path: Path, capsys) -> None:
    pytest.importorskip("tensorrt_rtx", reason="pip install tensorrt-rtx-cu13")
    node, shapes = networks.helper.make_node, (("x", [1, 3, 8, 8]), ("y", [1, 4, 8, 8]))
    halves = [
        node("DequantizeLinear", ["w", "s", "z"], ["dq"], axis=0),
        node("Conv", ["x", "dq"], ["y"], name="half", kernel_shape=[1, 1]),
    ]
    weights = {"w": np.ones((4, 3, 1, 1), np.int8), "s": np.ones(4, np.float32), "z": np.zeros(4, np.int8)}
    by_rule = networks.save(tmp_path / "half.onnx", halves, weights, shapes)
    by_parser = networks.save(
        tmp_path / "odd.onnx", [node("Det", ["x"], ["y"], name="odd")], {}, (shapes[0], ("y", [1, 3]))
    )
    for path, line, built in (
        (by_rule, "half (Conv): its weight is quantised, its activation is not", True),
        (by_parser, "odd (Det): this TensorRT has no operator Det", False),
    ):
        with pytest.raises(SystemExit) as left:
            calibrate("gate", "--onnx", path)
        said = " ".join(capsys.readouterr().err.replace("│", " ").split())
        assert left.value.code == 1 and f"refused {line}" in said
        assert ("builds for SM86" in said, "polygraphy" in said) == (built, not built)


def test_both_forms_that_engines_are_built_from_are_tried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Up to TensorRT 10 weights are given in floating point, from 11 on in INT8."""
    pytest.importorskip("tensorrt_rtx", reason="pip install tensorrt-rtx-cu13")
    parsed, parse, samples = [], Builder.parse, networks.samples(4)
    monkeypatch.setattr(Builder, "parse", lambda builder, model: parsed.append(model) or parse(builder, model))
    Quantiser(networks.student(tmp_path / "s.onnx"), samples, "minmax").write(tmp_path / "s.int8.onnx")
    assert not gate(tmp_path / "s.int8.onnx", ("SM86",)).errors
    stored = [{len(i.dims) for i in m.graph.initializer if i.data_type == onnx.TensorProto.INT8} for m in parsed]
    assert [max(dimensions) for dimensions in stored] == [1, 4]


def test_the_target_that_cannot_run_a_layer_is_named(tmp_path: Path) -> None:
    """For Turing, TensorRT-RTX has no FP32 matrix product."""
    pytest.importorskip("tensorrt_rtx", reason="pip install tensorrt-rtx-cu13")
    report = gate(networks.student(tmp_path / "student.onnx"), ("SM86", "SM75"))
    assert list(report.engine_bytes) == ["SM86"]
    (error,) = report.errors
    assert str(error).startswith("SM75: TensorRT cannot build it: ") and "mix_joints" in str(error)
