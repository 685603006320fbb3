"""``calibrate gate``: TensorRT's own parser and builder, without a GPU."""

import re
from pathlib import Path

import networks
import numpy as np
import onnx
import pytest
from typed import calibrate


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
        r"builds for SM86 [0-9.]+ MB .*builds for SM86, in half precision [0-9.]+ MB note operator set 18", said
    )
    assert "verdict passed" in said and "polygraphy" not in said
