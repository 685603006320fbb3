"""``calibrate gate``: TensorRT's own parser and builder, without a GPU."""

from pathlib import Path

import networks
import numpy as np
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
    assert "crooked" in capsys.readouterr().err
    calibrate("gate", "--onnx", networks.student(tmp_path / "student.onnx"))
