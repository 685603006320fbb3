"""An engine of a precision, for a DLA core or of a network that the user asks for, on a board with a fake driver."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from timed_board import SECONDS, builds, bundle, decide, timed_board

from calibrate.tensorrt.best_engine import engine
from calibrate.tensorrt.configuration import EngineConfig
from edge.contract.bundle import read_bundle, write_manifest
from edge.contract.errors import BundleError, ConfigError, EngineError
from edge.engines.registry import open_engine

__all__ = ["builds", "bundle", "timed_board"]


def test_for_a_dla_core_int8_is_rejected_and_fp32_is_the_reference(timed_board, bundle: Path, capsys) -> None:
    timed_board(dla_cores=1)
    engine(EngineConfig(bundle=bundle, dla_core=0))
    assert "FP16 on DLA 0" in open_engine(bundle / "student.engine").describe()
    assert "a DLA core does not support Q/DQ" in " ".join(re.sub("│", " ", capsys.readouterr().err).split())


def test_with_a_dla_core_the_gpu_engine_is_never_kept(
    timed_board, bundle: Path, capsys, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even if the GPU is faster, as it usually is."""
    timed_board(dla_cores=1)
    monkeypatch.setitem(SECONDS, "fp16", 0.02)
    engine(EngineConfig(bundle=bundle, dla_core=0))
    assert "FP16 on DLA 0" in open_engine(bundle / "student.engine").describe()
    assert "runs on the GPU" in " ".join(re.sub("│", " ", capsys.readouterr().err).split())
    timed_board({"fp16"}, dla_cores=1)
    with pytest.raises(EngineError, match=r"no engine is within the budget \(fp32: runs on the GPU"):
        engine(EngineConfig(bundle=bundle, dla_core=0))
    with pytest.raises(ConfigError, match="a DLA core computes in half precision"):
        engine(EngineConfig(bundle=bundle, dla_core=0, precision="fp32"))
    with pytest.raises(EngineError, match="there is no int8 engine: a DLA core does not support Q/DQ"):
        engine(EngineConfig(bundle=bundle, dla_core=0, precision="int8"))


def test_a_forced_precision_is_kept_whatever_it_loses(timed_board, bundle: Path, capsys) -> None:
    timed_board({"int8"})
    engine(EngineConfig(bundle=bundle, precision="int8"))
    assert "INT8" in open_engine(bundle / "student.engine").describe()
    assert "although it agrees on" in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize(
    ("precision", "with_clips", "built"),
    [
        ("auto", False, ["fp32", "fp16", "int8"]),
        ("int8", False, ["int8"]),
        ("fp16", False, ["fp16"]),
        ("fp32", False, ["fp32"]),
        ("int8", True, ["fp32", "int8"]),
        ("fp32", True, ["fp32"]),
    ],
)
def test_a_forced_precision_builds_only_that_engine_and_the_reference_it_is_compared_with(
    timed_board, bundle: Path, tmp_path: Path, capsys, builds: list[str], precision: str, with_clips: bool, built: list
) -> None:
    timed_board()
    clips = read_bundle(bundle).reference()["clips"]
    np.savez(tmp_path / "test.npz", clips=clips, labels=decide(clips).argmax(1))
    given = tmp_path / "test.npz" if with_clips else None
    engine(EngineConfig(bundle=bundle, precision=precision, clips=given))  # type: ignore[arg-type]
    assert builds == built
    said = " ".join(re.sub("│", " ", capsys.readouterr().err).split())
    unknown = f"not built, because {precision} was forced: its speed and accuracy are not known"
    assert said.count(unknown) == 3 - len(built)
    assert "100.00" in said


def test_a_forced_engine_that_cannot_be_built_is_one_error_and_nothing_else_is_built(
    timed_board, bundle: Path, builds: list[str]
) -> None:
    timed_board(dla_cores=1)
    with pytest.raises(EngineError, match="there is no int8 engine: a DLA core does not support Q/DQ"):
        engine(EngineConfig(bundle=bundle, dla_core=0, precision="int8"))
    assert builds == ["int8"] and not (bundle / "student.engine").exists()


def test_int8_is_not_forced_on_a_bundle_without_it(timed_board, bundle: Path) -> None:
    timed_board()
    (bundle / "student.int8.onnx").unlink()
    write_manifest(bundle, read_bundle(bundle).manifest)
    with pytest.raises(BundleError, match=r"student\.int8\.onnx"):
        engine(EngineConfig(bundle=bundle, precision="int8"))


@pytest.mark.parametrize(
    ("name", "precision", "built"),
    [
        ("student.int8.onnx", "auto", "INT8+FP16"),
        ("student.onnx", "auto", "FP16"),
        ("student.onnx", "fp32", "FP32"),
    ],
)
def test_the_engine_of_a_single_network_is_written_beside_it(
    timed_board, bundle: Path, tmp_path: Path, name: str, precision: str, built: str
) -> None:
    timed_board()
    engine(EngineConfig(onnx=bundle / name, precision=precision))  # type: ignore[arg-type]
    assert f", {built}, " in open_engine((bundle / name).with_suffix(".engine")).describe()
    engine(EngineConfig(onnx=bundle / name, precision=precision, out=tmp_path / "other.engine"))  # type: ignore[arg-type]
    assert f", {built}, " in open_engine(tmp_path / "other.engine").describe()


def test_the_engine_is_built_with_the_options_of_the_command(timed_board, bundle: Path) -> None:
    timed_board(dla_cores=2)
    engine(EngineConfig(onnx=bundle / "student.onnx", precision="fp16", max_batch=2, workspace_mib=64, dla_core=1))
    options = json.loads((bundle / "student.engine.json").read_text())["options"]
    assert options == {"precision": "fp16", "max_batch": 2, "workspace_mib": 64, "dla_core": 1}
