"""Engines of all precisions are built, timed and compared on a board with a fake driver."""

import json
import re
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from timed_board import GPU_MS, SECONDS, builds, bundle, decide, precision_of, timed_board

from calibrate.configuration import VerifyConfig
from calibrate.tensorrt.best_engine import engine
from calibrate.tensorrt.configuration import EngineConfig
from calibrate.verify import verify
from edge.contract.bundle import read_bundle, write_manifest
from edge.contract.errors import DeviceLostError, EngineError, OutputError
from edge.engines.registry import open_engine

__all__ = ["builds", "bundle", "timed_board"]


@pytest.mark.parametrize(("wrong", "kept"), [(set(), "FP16"), ({"fp16"}, "INT8+FP16"), ({"fp16", "int8"}, "FP32")])
def test_the_fastest_engine_that_agrees_with_the_reference_is_kept(
    timed_board, bundle: Path, wrong: set[str], kept: str
) -> None:
    trt = timed_board(wrong)
    engine(EngineConfig(bundle=bundle))
    assert trt.gpu.taken and all(memory.freed for memory in trt.gpu.taken)
    opened = open_engine(bundle / "student.engine")
    assert opened.describe().startswith(f"TensorRT 10.3.0, Orin (16 SMs), {kept}, ")
    clips = read_bundle(bundle).reference()["clips"][:2]
    np.testing.assert_array_equal(opened.run({"clip": clips})["logits"], decide(clips))
    opened.close()
    assert not list(bundle.glob(".engines-*"))


def test_an_engine_that_is_built_but_does_not_run_is_no_candidate(
    timed_board, bundle: Path, capsys, monkeypatch: pytest.MonkeyPatch
) -> None:
    trt = timed_board()
    execute = trt.IExecutionContext.execute_async_v3

    def refuses_fp16(context: Any, stream_handle: int) -> bool:
        if precision_of(set(context._engine._about["flags"])) != "fp16":
            return execute(context, stream_handle)
        trt.complain("out of memory")
        return False

    monkeypatch.setattr(trt.IExecutionContext, "execute_async_v3", refuses_fp16)
    engine(EngineConfig(bundle=bundle))
    assert "TensorRT cannot run it: out of memory" in " ".join(re.sub("│", " ", capsys.readouterr().err).split())
    assert open_engine(bundle / "student.engine").describe().startswith("TensorRT 10.3.0, Orin (16 SMs), INT8+FP16, ")


@pytest.mark.parametrize("at", ["build", "first run", "last run"])
def test_an_engine_that_loses_the_gpu_ends_the_comparison_by_name(
    timed_board, bundle: Path, monkeypatch: pytest.MonkeyPatch, at: str
) -> None:
    trt, runs, fault = timed_board(), [], "an illegal memory access"
    compute, build = trt.IExecutionContext._compute, trt.Builder.build_serialized_network

    def computes(context: Any) -> None:
        runs.extend(["run"] * (precision_of(set(context._engine._about["flags"])) == "fp16"))
        compute(context) if len(runs) != lost_at_run else trt.gpu.lose(fault)

    def builds(builder: Any, network: Any, config: Any) -> bytes | None:
        lost = at == "build" and precision_of(config._flags) == "fp16"
        return trt.gpu.lose(fault) if lost else build(builder, network, config)

    monkeypatch.setattr(trt.IExecutionContext, "_compute", computes)
    monkeypatch.setattr(trt.Builder, "build_serialized_network", builds)
    lost_at_run = -1
    if at == "last run":
        engine(EngineConfig(bundle=bundle, out=bundle.parent / "whole.engine"))
    lost_at_run = {"build": -1, "first run": 1, "last run": len(runs)}[at]
    runs.clear()
    with pytest.raises(DeviceLostError, match=rf"/fp16\.engine: the GPU failed: {fault}; start again"):
        engine(EngineConfig(bundle=bundle))
    assert not list(bundle.glob("*.engine"))


def test_the_kept_engine_finds_its_onnx_from_any_folder(timed_board, bundle: Path, tmp_path: Path) -> None:
    timed_board()
    engine(EngineConfig(bundle=bundle))
    engine(EngineConfig(bundle=bundle, out=tmp_path / "elsewhere/student.engine"))
    (bundle / "student.onnx").write_bytes((bundle / "student.onnx").read_bytes() + b"\0")
    for path in (bundle / "student.engine", tmp_path / "elsewhere/student.engine"):
        with pytest.raises(EngineError, match=r"student\.onnx has changed"):
            open_engine(path)


@pytest.mark.parametrize("version", ["8.5.2", "8.6.1", "10.3.0"])
def test_the_table_shows_gpu_time_beside_host_time(timed_board, bundle: Path, capsys, version: str) -> None:
    timed_board(version=version)
    engine(EngineConfig(bundle=bundle))
    rows = [line.split() for line in capsys.readouterr().err.splitlines()]
    for precision, ms in GPU_MS.items():
        (row,) = [[cell for cell in row if cell != "│"] for row in rows if precision in row[:2]]
        assert row[1] == row[2] == f"{1000 * SECONDS[precision]:.2f}" and row[3] == f"{ms:.2f}"


def test_the_engine_records_why_it_was_kept(timed_board, bundle: Path) -> None:
    timed_board(overflows="int8")
    engine(EngineConfig(bundle=bundle))
    compared = json.loads((bundle / "student.engine.json").read_text())["comparison"]
    assert compared["reference"] == "the FP32 logits of 16 clips in reference.npz, of which 93.75 % must agree"
    fp32, fp16, int8 = compared["engines"]
    assert (fp16["p50_ms"], fp16["device_p50_ms"], fp16["agreement"]) == (1.0, 0.75, 100.0)
    assert fp16["verdict"] == "kept: the fastest within the budget"
    assert (fp32["p50_ms"], fp32["verdict"]) == (6.0, "6.00 times the time of fp16")
    assert int8 == {"precision": "int8", "verdict": "the network returned NaN or infinite values"}


def test_of_sixteen_stored_clips_one_decision_may_differ_but_not_two(timed_board, bundle: Path) -> None:
    stored, manifest = read_bundle(bundle).reference(), read_bundle(bundle).manifest
    timed_board()
    for turned, passes in ((1, True), (2, False)):
        logits = stored["logits"].copy()
        logits[:turned] = np.roll(logits[:turned], 1, axis=1)
        np.savez(bundle / "reference.npz", clips=stored["clips"], logits=logits)
        write_manifest(bundle, manifest)
        refused = pytest.raises(EngineError, match=r"agrees on 87\.50 %, 93\.75 % are required")
        with nullcontext() if passes else refused:
            engine(EngineConfig(bundle=bundle))


def test_with_labels_the_fp32_engine_is_the_reference(timed_board, bundle: Path, tmp_path: Path, capsys) -> None:
    timed_board({"fp16"})
    clips = np.random.default_rng(5).standard_normal((30, 3, 32, 13, 1)).astype(np.float32)
    np.savez(tmp_path / "test.npz", clips=clips, labels=decide(clips).argmax(1))
    engine(EngineConfig(bundle=bundle, clips=tmp_path / "test.npz"))
    assert "INT8" in open_engine(bundle / "student.engine").describe()
    compared = json.loads((bundle / "student.engine.json").read_text())["comparison"]
    assert "FP32" in compared["reference"] and compared["reference"].endswith(", 30 labelled clips")
    found = {e["precision"]: (e["agreement"], e["top1_drop"]) for e in compared["engines"]}
    assert found == {"fp32": (100, 0), "fp16": (0, 100), "int8": (100, 0)}
    said = " ".join(re.sub("│", " ", capsys.readouterr().err).split())
    assert "fp16 1.00 1.00 0.75 0.00 100.00 agrees on" in said and "int8 3.00 3.00 2.50 100.00 0.00 kept" in said


def test_without_an_fp32_engine_that_works_nothing_is_chosen(timed_board, bundle: Path, builds: list[str]) -> None:
    timed_board(will_not_build="no implementation")
    with pytest.raises(EngineError, match=r"^TensorRT cannot build it: no implementation$"):
        engine(EngineConfig(bundle=bundle))
    assert builds == ["fp32"]
    timed_board(overflows="fp32")
    with pytest.raises(EngineError, match=r"^TensorRT .+, FP32, .+: the network returned NaN"):
        engine(EngineConfig(bundle=bundle))


def test_an_engine_with_nan_outputs_is_rejected_even_if_it_agrees(timed_board, bundle: Path, capsys) -> None:
    timed_board(overflows="fp16")
    engine(EngineConfig(bundle=bundle))
    assert "INT8" in open_engine(bundle / "student.engine").describe()
    # Without figures in its row.
    assert "fp16 the network returned NaN" in " ".join(re.sub("│", " ", capsys.readouterr().err).split())
    with pytest.raises(EngineError, match="there is no fp16 engine: the network returned NaN"):
        engine(EngineConfig(bundle=bundle, precision="fp16"))


def test_if_none_is_accurate_enough_the_old_engine_stays(timed_board, bundle: Path) -> None:
    timed_board()
    engine(EngineConfig(bundle=bundle))
    before = (bundle / "student.engine").read_bytes(), (bundle / "student.engine.json").read_bytes()
    timed_board({"fp32", "fp16", "int8"})
    with pytest.raises(EngineError, match="no engine is within the budget"):
        engine(EngineConfig(bundle=bundle))
    assert before == ((bundle / "student.engine").read_bytes(), (bundle / "student.engine.json").read_bytes())
    assert not list(bundle.glob(".engines-*"))


def test_a_file_that_cannot_be_read_is_not_reported_as_an_output(timed_board, bundle: Path) -> None:
    timed_board()
    (bundle / "student.timing").symlink_to("/proc/self/mem")  # its first page cannot be read
    with pytest.raises(OutputError, match=r"student\.timing: cannot be read: Input/output error; remove it"):
        engine(EngineConfig(bundle=bundle))
    assert not list(bundle.glob("*.engine")) and not list(bundle.glob(".engines-*"))


def test_an_engine_alone_is_verified_without_the_onnx_files(timed_board, bundle: Path, tmp_path: Path) -> None:
    """A board may lack ONNX Runtime."""
    timed_board()
    engine(EngineConfig(bundle=bundle))
    report, test = tmp_path / "verify.json", tmp_path / "test.npz"
    clips = read_bundle(bundle).reference()["clips"]
    np.savez(test, clips=clips, labels=decide(clips).argmax(1))
    # With clips of its own it needs FP32's answers.
    verify(VerifyConfig(bundle, test, candidate=bundle / "student.engine", report=report, min_agreement=0))
    networks = json.loads(report.read_text())["networks"]
    assert [n["network"] for n in networks] == ["student.onnx", "student.engine"]
    assert networks[1]["top1"] == 100 and networks[1]["labelled"]["agreement"] < 100
    (bundle / "student.old.engine").write_bytes(b"without a manifest")
    verify(VerifyConfig(bundle, report=report, min_agreement=0))
    assert list(json.loads(report.read_text())["not_run"]) == ["student.old.engine"]
    for name in ("student.onnx", "student.int8.onnx"):
        (bundle / name).unlink()
    verify(VerifyConfig(bundle, candidate=bundle / "student.engine", report=report))
    written = json.loads(report.read_text())
    assert written["passed"] and [n["network"] for n in written["networks"]] == ["student.engine"]
    timed_board({"fp16"})
    with pytest.raises(SystemExit):
        verify(VerifyConfig(bundle, candidate=bundle / "student.engine"))


def test_an_engine_that_loses_the_gpu_does_not_pass_as_not_run(
    timed_board, bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trt, fault = timed_board(), "an illegal memory access"
    engine(EngineConfig(bundle=bundle))
    monkeypatch.setattr(trt.IExecutionContext, "_compute", lambda context: trt.gpu.lose(fault))
    with pytest.raises(DeviceLostError, match=rf"/student\.engine: the GPU failed: {fault}"):
        verify(VerifyConfig(bundle, min_agreement=0))
