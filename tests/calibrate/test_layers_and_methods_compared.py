"""``calibrate methods`` and ``calibrate sensitivity``."""

import json
import re
from pathlib import Path

import cv2
import pytest
from typed import calibrate

from edge.cli.console import console


def test_all_methods_are_compared_in_one_run(bundle: Path, tmp_path: Path, capsys, monkeypatch) -> None:
    monkeypatch.setattr(console, "width", 200)
    before = sorted(p.name for p in bundle.iterdir())
    arguments = ("--bundle", bundle, "--clips", tmp_path / "calibration.npz", "--test", tmp_path / "test.npz")
    calibrate("methods", *arguments, "--samples", "16", "--report", tmp_path / "methods.json")
    results = json.loads((tmp_path / "methods.json").read_text())
    assert [r["method"] for r in results] == ["minmax", "percentile", "entropy", "mse", "margin"]
    assert all(90 < r["agreement"] <= 100 and 70 < r["top1"] < 90 for r in results)
    counted = [r[share] * 120 / 100 for r in results for share in ("agreement", "top1")]  # of 120 clips
    assert counted == pytest.approx([round(count) for count in counted])
    assert len({r["mean_error"] for r in results}) == 5
    assert sorted(p.name for p in bundle.iterdir()) == before
    said = " ".join(capsys.readouterr().err.replace("│", " ").split())
    rows = [
        f"{r['method']} {r['top1']:.2f} {r['agreement']:.2f} {r['mean_error']:.4f} {r['seconds']:.0f}" for r in results
    ]
    assert "FP32 top-1 80.00 % on 120 clips" in said and " ".join(rows) in said
    assert all(0 < r["mean_error"] < 1 and 0 < r["seconds"] < 300 for r in results)


def test_sensitivity_writes_json_and_a_plot(bundle: Path, tmp_path: Path, capsys) -> None:
    arguments = ("--clips", tmp_path / "calibration.npz", "--out", tmp_path / "s", "--samples", "16")
    calibrate("sensitivity", "--bundle", bundle, *arguments)
    losses = json.loads((tmp_path / "s/sensitivity.json").read_text())
    assert {loss["layer"] for loss in losses} == {"stem", "spatial", "temporal", "classifier"}
    said = capsys.readouterr().err
    for loss in losses:
        row = re.search(rf"│ {loss['layer']} +│ ([\d.]+) +│ ([\d.]+) +│", said)
        assert row and float(row[1]) == pytest.approx(100 * loss["decisions_lost"], abs=0.005)
        assert float(row[2]) == pytest.approx(100 * loss["error"], abs=5e-5)
    plot = cv2.imread(str(tmp_path / "s/sensitivity.png"))
    assert plot.shape[1] > 600 and plot.std() > 10
