"""``calibrate student``: what it adds to a bundle and records in its manifest."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typed import calibrate

from calibrate.quantisation.method_choice import TRIED_METHODS
from edge.contract.bundle import read_bundle, write_manifest


def test_student_adds_int8_and_its_accuracy_to_the_bundle(bundle: Path, tmp_path: Path, capsys) -> None:
    calibrate("student", "--bundle", bundle, "--clips", tmp_path / "calibration.npz", "--test", tmp_path / "test.npz")
    read = read_bundle(bundle)
    assert read.file("student.int8.onnx").stat().st_size > 0
    assert read.manifest.accuracy["fp32"] == {"top1": 0.8, "mean_class": 0.4}
    assert read.manifest.accuracy["int8"]["agreement"] > 0.9 and read.manifest.accuracy["test_clips"] == 120
    record = json.loads(read.file("calibration.json").read_text())
    assert record["method"] in TRIED_METHODS
    assert (record["seed"], len(record["ids"])) == (0, 40)
    int8, fp32 = (read.file(name).stat().st_size for name in ("student.int8.onnx", "student.onnx"))
    said = " ".join(capsys.readouterr().err.split())
    top1 = f"{100 * read.manifest.accuracy['int8']['top1']:.2f} %"
    assert f"fp32: top1 80.00 %, mean class 40.00 %; int8: top1 {top1}, agreement " in said
    float_layers = f"{len(record['float_layers'])} of 4 layers in floating point"
    assert (
        f"ranges by {record['method']}, {float_layers}, {int8 / fp32:.3f} of the size this is more than the 30 %"
        in said
    )


def test_student_without_a_test_set_leaves_the_accuracy_alone(bundle: Path, tmp_path: Path, capsys) -> None:
    def float_layers(max_size: float) -> list[str]:
        calibrate("student", "--bundle", bundle, "--clips", tmp_path / "calibration.npz", "--max_size", f"{max_size}")
        assert read_bundle(bundle).manifest.accuracy == {"fp32": {"top1": 0.5, "mean_class": 0.4}}
        assert "max_size" not in capsys.readouterr().err
        return json.loads((bundle / "calibration.json").read_text())["float_layers"]

    # The first layer and those that the budget needs; further ones as far as the size allows.
    few, many = float_layers(0), float_layers(100)
    assert few[0] == "stem" and many[: len(few)] == few and len(few) < len(many)
    int8, fp32 = ((bundle / name).stat().st_size for name in ("student.int8.onnx", "student.onnx"))
    assert float_layers(100 * (int8 + 0.5) / fp32) == many
    assert len(float_layers(100 * (int8 - 0.5) / fp32)) < len(many)


def test_the_calibration_record_lists_the_clips_ids(bundle: Path, tmp_path: Path) -> None:
    with np.load(tmp_path / "calibration.npz") as arrays:
        given = dict(arrays)
    np.savez(tmp_path / "calibration.npz", **given, ids=np.arange(40) * 10 + 3)
    chosen = ("--samples", "9", "--seed", "4", "--float_layers", "2", "--method", "minmax")
    calibrate("student", "--bundle", bundle, "--clips", tmp_path / "calibration.npz", *chosen)
    record = json.loads((bundle / "calibration.json").read_text())
    assert (record["seed"], len(record["ids"]), len(record["float_layers"]), record["method"]) == (4, 9, 2, "minmax")
    assert all(i % 10 == 3 for i in record["ids"])
    labels = {int(c): int((given["labels"] == int(c)).sum()) for c in record["per_class"]}
    assert all(n <= labels[int(c)] for c, n in record["per_class"].items())
    assert sum(record["per_class"].values()) == 9


def test_a_new_int8_student_does_not_inherit_accuracy_or_fine_tuning(bundle: Path, tmp_path: Path) -> None:
    known = read_bundle(bundle).manifest
    accuracy = {"fp32": {"top1": 0.5}, "int8": {"top1": 0.4}, "test_clips": 120}
    write_manifest(bundle, replace(known, accuracy=accuracy, training={"width": 16, "quantise_aware_epochs": 5}))
    calibrate("student", "--bundle", bundle, "--clips", tmp_path / "calibration.npz", "--float_layers", "0")
    manifest = read_bundle(bundle).manifest
    assert manifest.accuracy == {"fp32": {"top1": 0.5}, "test_clips": 120}
    assert manifest.training == {"width": 16}


def test_an_interrupted_test_leaves_the_bundle_unchanged(
    bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clips = ("--bundle", bundle, "--clips", tmp_path / "calibration.npz")
    calibrate("student", *clips, "--method", "minmax")
    before = {path.name: path.read_bytes() for path in bundle.iterdir()}

    def interrupted(path: Path) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("calibrate.student.open_engine", interrupted)
    with pytest.raises(SystemExit):
        calibrate("student", *clips, "--test", tmp_path / "test.npz", "--method", "mse", "--samples", "9")
    assert {path.name: path.read_bytes() for path in bundle.iterdir()} == before
