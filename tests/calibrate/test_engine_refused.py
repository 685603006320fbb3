"""Engines are opened on the machine and beside the files that they were built for, and refused elsewhere."""

import json
from pathlib import Path

import pytest
import tiny_bundle
from fake_cuda import FakeGpu

from calibrate.tensorrt.best_engine import engine
from calibrate.tensorrt.configuration import EngineConfig
from calibrate.tensorrt.engine_builder import BuildOptions, build_engine
from edge.contract.errors import EngineError, OutputError
from edge.engines.engine_manifest import manifest_path
from edge.engines.registry import open_engine


@pytest.mark.parametrize(
    ("other", "what"),
    [
        ({"version": "10.7.0"}, "built for tensorrt 10.3.0, this machine has 10.7.0"),
        ({"gpu": FakeGpu("Xavier")}, r"built for gpu Orin \(16 SMs\), this machine has Xavier \(16 SMs\)"),
        ({"gpu": FakeGpu(multiprocessors=8)}, r"built for gpu Orin \(16 SMs\), this machine has Orin \(8 SMs\)"),
        ({"gpu": FakeGpu("Orin", (8, 9))}, r"built for compute capability 8\.7, this machine has 8\.9"),
    ],
)
def test_another_machines_engine_is_refused_with_the_command_that_builds_it(
    board, int8: Path, tmp_path: Path, other: dict, what: str
) -> None:
    board()
    build_engine(int8, tmp_path / "student.engine", BuildOptions())
    board(**other)
    with pytest.raises(EngineError, match=what) as raised:
        open_engine(tmp_path / "student.engine")
    command = f"python -m calibrate engine --onnx {int8} --out {tmp_path / 'student.engine'}"
    flags = "--precision int8 --max_batch 4 --workspace_mib 1024"
    assert raised.value.hint == f"build it again: {command} {flags}"


@pytest.mark.parametrize("damage", ["engine", "onnx", "no manifest", "bad manifest", "odd manifest"])
def test_an_engine_that_does_not_match_its_manifest_is_refused(board, int8: Path, tmp_path: Path, damage: str) -> None:
    board()
    engine = tmp_path / "student.engine"
    build_engine(int8, engine, BuildOptions())
    manifest = manifest_path(engine)
    if damage == "engine":
        engine.write_bytes(engine.read_bytes()[:-1])
    elif damage == "onnx":
        int8.write_bytes(int8.read_bytes() + b"\0")
    elif damage == "no manifest":
        manifest.unlink()
    elif damage == "bad manifest":
        manifest.write_text("{")
    else:
        manifest.write_text(json.dumps({"gpu": "Orin"}))
    with pytest.raises(EngineError, match="python -m calibrate engine"):
        open_engine(engine)


@pytest.mark.parametrize("how", ["plain", "link"])
def test_an_engine_in_another_folder_finds_its_onnx(board, int8: Path, tmp_path: Path, how: str) -> None:
    (tmp_path / "deep/engines").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "deep/engines")
    engine = tmp_path / ("link" if how == "link" else "deep/engines") / "student.engine"
    board()
    build_engine(int8, engine, BuildOptions())
    open_engine(engine).close()
    int8.write_bytes(int8.read_bytes() + b"\0")
    with pytest.raises(EngineError, match=r"student\.int8\.onnx has changed since it was built") as raised:
        open_engine(engine)
    assert f"--onnx {int8} --out {engine}" in raised.value.hint


@pytest.mark.parametrize("suffix", [".engine", ".engine.json", ".timing"])
@pytest.mark.parametrize("compared", [True, False])
def test_a_file_that_cannot_be_written_is_an_error_before_the_build(
    board, tmp_path: Path, suffix: str, compared: bool
) -> None:
    trt, bundle = board(), tiny_bundle.make(tmp_path / "bundle")
    taken = bundle / f"student{suffix}"
    taken.mkdir()
    with pytest.raises(OutputError, match=f"{taken}: cannot be written: it is a folder"):
        engine(EngineConfig(bundle=bundle) if compared else EngineConfig(onnx=bundle / "student.onnx"))
    assert trt.built is None and list(taken.iterdir()) == []


def test_an_engine_without_its_onnx_beside_it_opens(board, int8: Path, tmp_path: Path) -> None:
    board()
    build_engine(int8, tmp_path / "student.engine", BuildOptions())
    int8.unlink()
    open_engine(tmp_path / "student.engine")
