from pathlib import Path

import networks
import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import TensorProto, numpy_helper

from calibrate.quantisation.quantise import Quantiser
from calibrate.tensorrt.half_precision import in_half_precision
from calibrate.tensorrt.qdq_fusion import fusible
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


def quiet() -> ort.SessionOptions:
    """Without its remark that it does not fold a constant in half precision."""
    options = ort.SessionOptions()
    options.log_severity_level = 3
    return options


@pytest.fixture
def int8(tmp_path: Path) -> onnx.ModelProto:
    out = tmp_path / "s.int8.onnx"
    Quantiser(networks.student(tmp_path / "s.onnx"), networks.samples(4), "minmax").write(out)
    return fusible(onnx.load(out))


def test_a_quantised_network_stays_so_and_the_rest_becomes_half(int8: onnx.ModelProto) -> None:
    half = in_half_precision(int8)
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
    # Roundings to eight bits may fall to the other side.
    np.testing.assert_allclose(given, wanted, atol=0.05 * np.abs(wanted).max())


def test_a_scale_that_half_precision_would_make_zero_is_refused(int8: onnx.ModelProto) -> None:
    scale = next(n.input[1] for n in int8.graph.node if n.op_type == "QuantizeLinear")
    (found,) = [i for i in int8.graph.initializer if i.name == scale]
    found.CopyFrom(numpy_helper.from_array(np.float32(1e-9), scale))
    with pytest.raises(EngineError, match="too small for half precision"):
        in_half_precision(int8)


@pytest.mark.parametrize("quantised", [False, True])
def test_tensorrt_builds_it(tmp_path: Path, int8: onnx.ModelProto, quantised: bool) -> None:
    pytest.importorskip("tensorrt_rtx", reason="pip install tensorrt-rtx-cu13")
    from calibrate.tensorrt.parser_gate import gate

    half = in_half_precision(int8 if quantised else onnx.load(tmp_path / "s.onnx"))
    onnx.save(half, str(tmp_path / "half.onnx"))
    assert gate(tmp_path / "half.onnx", ("SM86",)).errors == ()
