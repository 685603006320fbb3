"""``calibrate verify``: results and verdict."""

import json
from dataclasses import replace
from pathlib import Path

import networks
import numpy as np
import onnx
import pytest
from typed import calibrate

from edge.cli.console import console
from edge.contract.bundle import read_bundle, write_manifest
from edge.contract.manifest import AccuracyBudget


def test_verify_passes_within_the_budget_and_reports(bundle: Path, tmp_path: Path, capsys, monkeypatch) -> None:
    monkeypatch.setattr(console, "width", 200)
    calibrate("student", "--bundle", bundle, "--clips", tmp_path / "calibration.npz")
    report = tmp_path / "report.json"
    common = ("verify", "--bundle", bundle, "--min_agreement", "80", "--report", report)
    calibrate(*common, "--clips", tmp_path / "test.npz", "--max_top1_drop", "10")
    written = json.loads(report.read_text())
    assert written["passed"]
    assert written["budget"] == {"max_top1_drop": 10, "min_agreement": 80}
    fp32, int8 = written["networks"]
    assert (fp32["network"], int8["network"]) == ("student.onnx", "student.int8.onnx")
    assert fp32["top1"] == 80.0
    assert fp32["stored"]["error"]["largest"] < 1e-4 and fp32["stored"]["agreement"] == 100
    assert (int8["stored"]["samples"], int8["labelled"]["samples"]) == (8, 120)
    assert 0 < int8["labelled"]["error"]["mean"] < int8["labelled"]["error"]["largest"]
    assert 0 < int8["latency"]["p50_ms"] <= int8["latency"]["p90_ms"]
    assert int8["bytes_ratio"] == pytest.approx(
        (bundle / "student.int8.onnx").stat().st_size / (bundle / "student.onnx").stat().st_size
    )
    found, latency = int8["labelled"], int8["latency"]
    said = " ".join(capsys.readouterr().err.replace("│", " ").split())
    assert (
        f"student.int8.onnx {int8['top1']:.2f} {found['agreement']:.2f} {found['error']['largest']:.3f}, "
        f"{found['error']['mean']:.4f} {latency['p50_ms']:.2f}, {latency['p90_ms']:.2f} "
        f"{100 * int8['bytes_ratio']:.0f} of {found['error']['scale']:.2f}"
    ) in said
    assert said.endswith(f"student.int8.onnx on {int8['runtime']}: within the budget")
    # Gaps grow along the network.
    lost = {gap["layer"]: gap["lost"] for gap in written["layers"]}
    assert all(f"{gap['layer']} {gap['operator']} {100 * gap['lost']:.3f} " in said for gap in written["layers"])
    assert lost["stem"] < lost["temporal"] < 0.2
    # Without clips, only the stored logits are compared.
    calibrate(*common)
    assert [n["labelled"] for n in json.loads(report.read_text())["networks"]] == [None, None]


def test_an_unwritable_report_is_an_error_before_the_work(bundle: Path, tmp_path: Path, capsys) -> None:
    (tmp_path / "taken").write_text("a file")
    data = ("--clips", tmp_path / "calibration.npz")
    for argv in (
        ("verify", "--report", tmp_path / "taken" / "a.json", "--candidate", bundle / "student.onnx"),
        ("methods", "--report", tmp_path / "taken" / "a.json", *data, "--test", tmp_path / "test.npz"),
        ("sensitivity", "--out", tmp_path / "taken", *data),
        ("pose", "--network", "absent.onnx", "--frames", "absent", "--out", tmp_path / "taken" / "a.onnx"),
    ):
        with pytest.raises(SystemExit) as left:
            calibrate(*argv, *(() if argv[0] == "pose" else ("--bundle", bundle)))
        said = capsys.readouterr().err
        assert left.value.code == 2 and said.startswith(f"error: {tmp_path}/taken/") and said.count("\n") == 1


@pytest.mark.parametrize("name", ["student.int8.onnx", "calibration.json"])
def test_a_file_of_the_bundle_that_cannot_be_written_is_an_error_before_the_work(
    bundle: Path, tmp_path: Path, capsys, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    (bundle / name).mkdir()
    monkeypatch.setattr("calibrate.student.best_quantiser", None)
    with pytest.raises(SystemExit) as left:
        calibrate("student", "--bundle", bundle, "--clips", tmp_path / "calibration.npz")
    said = capsys.readouterr().err
    assert left.value.code == 2 and said.startswith(f"error: {bundle / name}: cannot be written: it is a folder")


def test_the_bundles_own_budget_applies(bundle: Path, tmp_path: Path, capsys) -> None:
    calibrate("student", "--bundle", bundle, "--clips", tmp_path / "calibration.npz")
    stored = read_bundle(bundle).reference()
    stored["logits"][0] = np.roll(stored["logits"][0], 1)
    np.savez(bundle / "reference.npz", **stored)
    write_manifest(bundle, replace(read_bundle(bundle).manifest, budget=AccuracyBudget(0.5, 100)))
    with pytest.raises(SystemExit) as left:
        calibrate("verify", "--bundle", bundle)
    assert left.value.code == 1
    assert "100 % are required" in capsys.readouterr().err
    # Labelled clips are judged instead of the stored ones.
    calibrate("verify", "--bundle", bundle, "--clips", tmp_path / "test.npz")


def test_the_shipped_bundle_is_within_its_budget_on_its_stored_clips(tmp_path: Path, capsys) -> None:
    """Two of 256 decisions differ, and five may; of 2282 test clips three differ."""
    shipped = Path(__file__).parents[2] / "bundles/everyday"
    calibrate("verify", "--bundle", shipped, "--report", tmp_path / "verify.json", "--threads", "1")
    written = json.loads((tmp_path / "verify.json").read_text())
    assert written["passed"] and written["budget"]["min_agreement"] == 100 * 251 / 256
    assert written["bundle_budget"] == {"max_top1_drop": 0.5, "min_agreement": 99.0}
    assert [n["stored"]["samples"] for n in written["networks"]] == [256, 256]
    assert "judged on only 256 clips, of which 98.05 % must agree" in " ".join(capsys.readouterr().err.split())
    with pytest.raises(SystemExit) as left:
        calibrate("verify", "--bundle", shipped, "--min_agreement", "99.5", "--threads", "1")
    assert left.value.code == 1


def test_engines_that_cannot_run_here_are_listed(bundle: Path, tmp_path: Path, capsys) -> None:
    calibrate("student", "--bundle", bundle, "--clips", tmp_path / "calibration.npz")
    for name in ("student.fp16.engine", "student.engine"):
        (bundle / name).write_bytes(b"engine")
    report = tmp_path / "report.json"
    calibrate("verify", "--bundle", bundle, "--min_agreement", "80", "--report", report)
    written = json.loads(report.read_text())
    assert list(written["not_run"]) == ["student.engine", "student.fp16.engine"]
    assert f"student.engine was not run: {written['not_run']['student.engine']}" in capsys.readouterr().err


@pytest.mark.parametrize("what", ["classes", "outputs"])
def test_another_bundles_student_is_refused(bundle: Path, tmp_path: Path, capsys, what: str) -> None:
    model = onnx.load(bundle / "student.onnx")
    if what == "classes":
        for tensor in model.graph.initializer:
            if tensor.name in ("w4", "b4"):
                tensor.CopyFrom(onnx.numpy_helper.from_array(onnx.numpy_helper.to_array(tensor)[:3], tensor.name))
        model.graph.output[0].type.tensor_type.shape.dim[1].dim_value = 3
    else:
        model.graph.output.append(onnx.helper.make_tensor_value_info("p", onnx.TensorProto.FLOAT, None))
    onnx.save(model, tmp_path / "other.onnx")
    with pytest.raises(SystemExit) as left:
        calibrate("verify", "--bundle", bundle, "--candidate", tmp_path / "other.onnx")
    said = capsys.readouterr().err
    assert left.value.code == 2 and said.endswith(f"it does not belong to the bundle {bundle}\n"), said


def test_verify_exits_with_1_for_a_student_that_misses_the_budget(bundle: Path, tmp_path: Path) -> None:
    other = networks.student(tmp_path / "other.onnx", seed=5)
    report = tmp_path / "report.json"
    with pytest.raises(SystemExit) as left:
        calibrate(
            "verify", "--bundle", bundle, "--clips", tmp_path / "test.npz", "--candidate", other, "--report", report
        )
    assert left.value.code == 1
    written = json.loads(report.read_text())
    assert not written["passed"] and written["budget"] == written["bundle_budget"]
    assert any("top-1 drops by" in line for line in written["networks"][1]["missed"])
