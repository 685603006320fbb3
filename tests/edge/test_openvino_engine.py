"""The OpenVINO engine gives the results and errors of the other runtimes."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest

from edge.contract.errors import EngineError, MissingDependency
from edge.engines.litert import LiteRtEngine
from edge.engines.registry import open_engine
from edge.pose.registry import PoseConfig, open_estimator
from tests.networks import FRAMES, JOINTS, clips, student

ROOT = Path(__file__).parents[2]


@pytest.fixture
def installed() -> None:
    pytest.importorskip("openvino", reason="OpenVINO is not installed: pip install 'skd-edge[openvino]'")


def test_without_openvino_one_line_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(MissingDependency, match=r"skd-edge\[openvino\]"):
        open_engine(student(tmp_path / "student.onnx"), runtime="openvino")


@pytest.mark.usefixtures("installed")
def test_a_network_with_dynamic_batch_gives_what_onnx_runtime_gives(tmp_path: Path) -> None:
    path = student(tmp_path / "student.onnx")
    ours, theirs = open_engine(path, threads=1, runtime="openvino"), open_engine(path, threads=1)
    assert ours.inputs == theirs.inputs and ours.outputs == theirs.outputs
    assert ours.describe().startswith("OpenVINO") and "FP32, 1 thread" in ours.describe()
    for count in (1, 3):
        given = {"clip": clips(count)}
        np.testing.assert_allclose(ours.run(given)["logits"], theirs.run(given)["logits"], rtol=1e-4, atol=1e-4)


@pytest.mark.usefixtures("installed")
def test_results_are_not_overwritten_by_the_next_run(tmp_path: Path) -> None:
    engine = open_engine(student(tmp_path / "student.onnx"), threads=1, runtime="openvino")
    one, two = clips(2)[:1], clips(2)[1:]
    first = engine.run({"clip": one})["logits"]
    kept = first.copy()
    assert not np.array_equal(engine.run({"clip": two})["logits"], first)
    assert np.array_equal(first, kept)


@pytest.mark.usefixtures("installed")
def test_what_does_not_fit_or_cannot_be_read_is_refused(tmp_path: Path) -> None:
    engine = open_engine(student(tmp_path / "student.onnx"), threads=1, runtime="openvino")
    with pytest.raises(EngineError, match="tensor clip takes float32"):
        engine.run({"clip": np.zeros((1, 3, FRAMES, JOINTS), np.float32)})
    (tmp_path / "broken.onnx").write_bytes(b"no network")
    with pytest.raises(EngineError, match="OpenVINO cannot load it"):
        open_engine(tmp_path / "broken.onnx", runtime="openvino")


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize(
    ("kind", "served"),
    [(onnx.TensorProto.BFLOAT16, None), (onnx.TensorProto.FLOAT16, np.float16), (onnx.TensorProto.BOOL, np.bool_)],
)
def test_a_dtype_that_numpy_lacks_is_refused_by_tensor_name(tmp_path: Path, kind: int, served: type | None) -> None:
    value = onnx.helper.make_tensor_value_info
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node("Cast", ["clip"], ["rounded"], to=kind)],
        "cast",
        [value("clip", onnx.TensorProto.FLOAT, [1, 4])],
        [value("rounded", kind, [1, 4])],
    )
    opsets = [onnx.helper.make_opsetid("", 17)]
    onnx.save(onnx.helper.make_model(graph, opset_imports=opsets, ir_version=8), str(tmp_path / "cast.onnx"))
    if served is None:
        with pytest.raises(EngineError, match=r"cast\.onnx: rounded is bf16, which is not supported"):
            open_engine(tmp_path / "cast.onnx", runtime="openvino")
        return
    engine = open_engine(tmp_path / "cast.onnx", runtime="openvino")
    found = engine.run({"clip": np.array([[0, 1, 2, 3]], np.float32)})["rounded"]
    assert found.dtype == engine.outputs[0].dtype == served and found.any()


@pytest.mark.usefixtures("installed")
def test_a_tflite_network_gives_what_litert_gives(shared_data: Path) -> None:
    path = shared_data / "models" / "blazepose_lite.tflite"
    ours, theirs = open_engine(path, threads=1, runtime="openvino"), LiteRtEngine(path, threads=1)
    assert ours.inputs == theirs.inputs and {s.name for s in ours.outputs} == {s.name for s in theirs.outputs}
    image = np.random.default_rng(0).random((1, 256, 256, 3), np.float32)
    given = {theirs.inputs[0].name: image}
    expected = theirs.run(given)
    for name, array in ours.run(given).items():
        np.testing.assert_allclose(array, expected[name], rtol=1e-2, atol=0.02 * float(np.abs(expected[name]).max()))


@pytest.mark.usefixtures("installed")
def test_the_pose_estimator_takes_the_engine_from_its_configuration(shared_data: Path) -> None:
    network = shared_data / "models" / "blazepose_lite.tflite"
    estimator = open_estimator(PoseConfig(network=network, threads=1, engine="openvino"))
    try:
        assert "OpenVINO" in estimator.describe()
    finally:
        estimator.close()


SIGNALLED = """
import gc, os, signal, sys
from pathlib import Path
from edge.engines.openvino_engine import OpenVinoEngine
first, second = (OpenVinoEngine(Path(sys.argv[1]), threads=1) for _ in range(2))
signal.signal(signal.SIGINT, lambda number, frame: print("handled", flush=True))
os.kill(os.getpid(), signal.SIGINT)
del first
gc.collect()
os.kill(os.getpid(), signal.SIGINT)
del second
gc.collect()
os.kill(os.getpid(), signal.SIGINT)
"""


@pytest.mark.usefixtures("installed")
def test_ctrl_c_is_handled_while_networks_come_and_go(tmp_path: Path) -> None:
    # OpenVINO's signal stacks are freed with the networks, so a signal would be handled on freed memory.
    words = [sys.executable, "-c", SIGNALLED, str(student(tmp_path / "student.onnx"))]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0 and done.stdout == "handled\n" * 3
