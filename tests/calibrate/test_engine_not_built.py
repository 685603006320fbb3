"""Why an engine cannot be built, and that none is left then."""

from pathlib import Path

import networks
import onnx
import pytest

from calibrate.tensorrt.engine_builder import BuildOptions, build_engine, serialised_engine
from edge.contract.errors import ConfigError, EngineError


def test_a_precision_that_does_not_match_the_file_is_refused(board, int8: Path, tmp_path: Path) -> None:
    board()
    with pytest.raises(EngineError, match="is in INT8, so no fp16 engine can be built"):
        build_engine(int8, tmp_path / "s.engine", BuildOptions("fp16"))
    with pytest.raises(EngineError, match=r"contains no Q/DQ pairs, so no int8 engine can be built"):
        build_engine(networks.student(tmp_path / "s.onnx"), tmp_path / "s.engine", BuildOptions("int8"))


def test_a_dla_build_refuses_a_quantised_network(board, int8: Path, tmp_path: Path) -> None:
    """With GPU fallback TensorRT would silently not quantise."""
    board(dla_cores=2)
    with pytest.raises(EngineError, match="a DLA core does not support Q/DQ") as raised:
        build_engine(int8, tmp_path / "s.engine", BuildOptions(dla_core=0))
    assert "give the FP32 network" in str(raised.value.hint)
    assert not (tmp_path / "s.engine").exists()


@pytest.mark.parametrize("cores", [0, 1])
def test_a_board_without_that_dla_core_says_so(board, tmp_path: Path, cores: int) -> None:
    board(dla_cores=cores)
    source, options = networks.student(tmp_path / "s.onnx"), BuildOptions("fp16", dla_core=cores)
    with pytest.raises(EngineError, match=f"there is no DLA core {cores}: this board has {cores or 'none'}"):
        build_engine(source, tmp_path / "s.engine", options)
    assert not (tmp_path / "s.engine").exists()


@pytest.mark.parametrize("options", [{"max_batch": 0}, {"workspace_mib": 0}, {"dla_core": -1}])
def test_invalid_build_options_are_refused(options: dict) -> None:
    with pytest.raises(ConfigError):
        BuildOptions(**options)
    with pytest.raises(ConfigError, match="half precision"):
        BuildOptions("fp32", dla_core=0)
    BuildOptions("fp16", max_batch=1, workspace_mib=1, dla_core=0)


def test_without_a_driver_there_is_one_clear_line(board, int8: Path, tmp_path: Path) -> None:
    board(no_driver=True)
    with pytest.raises(EngineError, match=r"TensorRT 10\.3\.0 does not start: it finds no GPU with an NVIDIA driver"):
        build_engine(int8, tmp_path / "student.engine", BuildOptions())
    assert not (tmp_path / "student.engine").exists()


def test_the_log_of_a_builder_that_does_not_start_is_in_the_error(board, int8: Path, tmp_path: Path) -> None:
    """Seen on a real GPU with a damaged kernel library and an intact driver."""
    board("8.5.3.1", will_not_start="Assertion validateCaskKLibDigest(sha256sum) failed.")
    with pytest.raises(EngineError, match=r"does not start: Assertion validateCaskKLibDigest") as raised:
        build_engine(int8, tmp_path / "student.engine", BuildOptions())
    assert "driver" not in raised.value.what


@pytest.mark.parametrize("version", ["8.5.2", "8.6.1", "10.3.0", "11.4.1"])
def test_a_parser_error_names_node_and_operator(board, tmp_path: Path, version: str) -> None:
    """Up to 8.6 TensorRT reports only the node's index."""
    board(version, refuses="unsupported padding")
    with pytest.raises(EngineError, match=r"refuses stem \(Conv\): unsupported padding"):
        build_engine(networks.student(tmp_path / "s.onnx"), tmp_path / "s.engine", BuildOptions("fp32"))
    assert not (tmp_path / "s.engine").exists()


def test_a_network_that_the_parser_refuses_without_a_reason_is_not_built(
    board, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(board(refuses="unstated").OnnxParser, "num_errors", 0)
    with pytest.raises(EngineError, match="refuses the network: no reason given"):
        build_engine(networks.student(tmp_path / "s.onnx"), tmp_path / "s.engine", BuildOptions("fp32"))
    assert not (tmp_path / "s.engine").exists()


@pytest.mark.parametrize("version", ["8.5.2", "10.3.0"])
def test_a_node_without_a_name_is_reported_by_its_index(board, tmp_path: Path, version: str) -> None:
    board(version, refuses="unsupported padding")
    model = onnx.load(networks.student(tmp_path / "s.onnx"))
    model.graph.node[1].name = ""
    onnx.save(model, tmp_path / "s.onnx")
    with pytest.raises(EngineError, match=r"refuses node 1 \(Conv\)"):
        build_engine(tmp_path / "s.onnx", tmp_path / "s.engine", BuildOptions("fp32"))


def test_the_error_of_a_failed_build_does_not_blame_an_unused_timing_cache(board, int8: Path, tmp_path: Path) -> None:
    (tmp_path / "student.timing").write_bytes(b"timings of 10.3.0")  # TensorRT logs an error: NVIDIA/TensorRT #3566
    board("10.7.0", will_not_build="Could not find any implementation for node stem.")
    with pytest.raises(EngineError, match=r"TensorRT cannot build it: Could not find any implementation"):
        build_engine(int8, tmp_path / "student.engine", BuildOptions())


@pytest.mark.filterwarnings("ignore:.*Timing cache:DeprecationWarning")
def test_a_dynamic_axis_besides_the_batch_is_refused_by_the_real_builder(tmp_path: Path) -> None:
    trt = pytest.importorskip("tensorrt_rtx", reason="pip install tensorrt-rtx-cu13")
    node = networks.helper.make_node("Relu", ["x"], ["y"])
    path = networks.save(tmp_path / "free.onnx", [node], {}, (("x", ["n", "c", 3]), ("y", ["n", "c", 3])))
    with pytest.raises(EngineError, match="dynamic axis besides the batch"):
        serialised_engine(trt, path, tmp_path / "s.timing", BuildOptions("fp32"))


def test_a_damaged_onnx_file_is_refused(tmp_path: Path, board) -> None:
    board()
    (tmp_path / "damaged.onnx").write_bytes(b"\xff\x00 no network")
    with pytest.raises(EngineError, match="not an ONNX file"):
        build_engine(tmp_path / "damaged.onnx", tmp_path / "s.engine", BuildOptions())
    with pytest.raises(EngineError, match="cannot be read"):
        build_engine(tmp_path / "absent.onnx", tmp_path / "s.engine", BuildOptions())
