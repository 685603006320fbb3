from pathlib import Path

import networks
import numpy as np
import onnx
import onnxruntime as ort
import pytest

from calibrate.half_precision import in_half_precision
from calibrate.quantise import Quantiser
from edge.contract.errors import EngineError


def test_half_precision_keeps_inputs_outputs_and_all_but_the_last_digits(tmp_path: Path) -> None:
    source = networks.student(tmp_path / "student.onnx")
    half = in_half_precision(onnx.load(source))
    onnx.checker.check_model(half, full_check=True)
    clips = networks.clips(5)
    session = ort.InferenceSession(half.SerializeToString())
    assert [i.type for i in session.get_inputs()] == ["tensor(float)"]
    (given,) = session.run(None, {"clip": clips})
    (wanted,) = ort.InferenceSession(str(source)).run(None, {"clip": clips})
    assert given.dtype == np.float32
    np.testing.assert_allclose(given, wanted, atol=0.01 * np.abs(wanted).max())
    assert np.abs(given - wanted).max() > 0


def test_a_quantised_network_is_refused(tmp_path: Path) -> None:
    clips = networks.clips(2)
    out = tmp_path / "s.int8.onnx"
    Quantiser(networks.student(tmp_path / "s.onnx"), [clips[:1], clips[1:]], "minmax").write(out)
    with pytest.raises(EngineError, match="half-precision"):
        in_half_precision(onnx.load(out))


def test_tensorrt_builds_it(tmp_path: Path) -> None:
    pytest.importorskip("tensorrt_rtx", reason="pip install tensorrt-rtx-cu13")
    from calibrate.parser_gate import gate

    half = in_half_precision(onnx.load(networks.student(tmp_path / "s.onnx")))
    onnx.save(half, str(tmp_path / "half.onnx"))
    assert gate(tmp_path / "half.onnx", ("SM86",)).errors == ()
