"""A bundle to run, a recording to replay, engines for boards in memory, and Ctrl-C."""

from collections.abc import Callable
from pathlib import Path

import onnx
import pytest
import small_bundle
import tiny_bundle
from onnx import TensorProto, helper
from parts import IMAGE, action_stage, moving_body

from calibrate.tensorrt.engine_builder import BuildOptions, build_engine
from edge.capture.pose_recording import RecordingHeader, frame_line
from edge.contract.bundle import read_bundle
from edge.contract.types import Frame, FrameResult, Pose
from edge.loop.action_stage import ActionStage


@pytest.fixture(scope="session")
def bundle_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle with an untrained student; not to be altered."""
    return tiny_bundle.make(tmp_path_factory.mktemp("bundles") / "tiny")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A bundle of a few bytes, to be altered; see small_bundle.py."""
    return small_bundle.make(tmp_path)


@pytest.fixture
def action(bundle_folder: Path) -> ActionStage:
    return action_stage(read_bundle(bundle_folder))


@pytest.fixture
def watchdog(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Sets how long a stage may take for a frame, or to stop, and how often that is looked at, in seconds."""

    def seconds(**given: float) -> None:
        for name, value in given.items():
            monkeypatch.setattr(f"edge.loop.stage_watchdog.{name.upper()}_S", value)

    return seconds


@pytest.fixture
def built(board, tmp_path: Path) -> Callable[..., tuple[Path, object]]:
    """Builds an engine for a board, and gives its file with that board's fake TensorRT."""

    def build(
        version: str = "10.3.0",
        *,
        max_batch: int = 4,
        precision: str = "fp32",
        dla_core: int | None = None,
        **options,
    ) -> tuple[Path, object]:
        trt = board(version, **options)
        # The fake parser does not look into it.
        values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1]) for name in ("clip", "logits")]
        graph = helper.make_graph([helper.make_node("Relu", ["clip"], ["logits"])], "any", values[:1], values[1:])
        onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]), tmp_path / "any.onnx")
        how = BuildOptions(precision, max_batch=max_batch, dla_core=dla_core)
        build_engine(tmp_path / "any.onnx", tmp_path / "any.engine", how)
        return tmp_path / "any.engine", trt

    return build


@pytest.fixture
def replay(tmp_path: Path) -> str:
    """A pose recording of one body: forty frames at 30 Hz."""
    results = [FrameResult(Frame(n, n / 30, IMAGE), (), {}, (Pose(moving_body(n), 0.9),)) for n in range(40)]
    header = RecordingHeader("trt_pose-18", 30.0, (64, 48), "a camera", "a network")
    path = tmp_path / "poses.jsonl"
    path.write_text("\n".join((header.line(), *map(frame_line, results))) + "\n")
    return f"replay://{path}"
