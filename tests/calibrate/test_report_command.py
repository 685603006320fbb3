"""``calibrate report``: a section of a page from ``verify``'s results."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from typed import calibrate

from edge.contract.bundle import read_bundle, write_manifest


def test_the_report_replaces_its_section_of_the_page(bundle: Path, tmp_path: Path) -> None:
    calibrate("student", "--bundle", bundle, "--clips", tmp_path / "calibration.npz")
    training = {"dataset": "Walks", "width": 16, "epochs": 20, "quantise_aware_epochs": 3}
    write_manifest(bundle, replace(read_bundle(bundle).manifest, training=training))
    verified, page = tmp_path / "verify.json", tmp_path / "page.md"
    loose = ("--min_agreement", "50", "--max_top1_drop", "50")
    calibrate("verify", "--bundle", bundle, "--clips", tmp_path / "test.npz", "--report", verified, *loose)
    written = json.loads(verified.read_text())
    written["networks"][1]["top1"], written["networks"][1]["labelled"]["agreement"] = 29.0, 75.25
    verified.write_text(json.dumps(written))
    page.write_text("# INT8\n\nBy hand.\n")
    for _ in range(2):
        calibrate("report", "--bundle", bundle, "--verified", verified, "--page", page)
    text = page.read_text()
    assert text.startswith("# INT8\n\nBy hand.\n") and text.count("### Walks") == 1
    row = [cell.strip() for cell in text.splitlines()[-3].split("|")]
    record = json.loads((bundle / "calibration.json").read_text())
    how = f"20 epochs; ranges by {record['method']} of 40 training clips, then fine-tuned in INT8 for 3 epochs. "
    assert "| student | test clips | FP32 top-1 % |" in text
    assert how + "Budget: top-1 within 50 points, agreement of 50 %; bold: " in " ".join(text.split())
    # A drop from 80 to 29 % misses the budget, 75 % agreement does not; the file, mostly names, is too large.
    assert row[2:7] == ["120", "80.00", "**29.00**", "75.25", f"{len(record['float_layers'])} of 4"]
    assert row[7].startswith("**") and float(row[7].strip("*")) > 30
    assert row[8] == ", ".join(f"{network['latency']['p50_ms']:.2f}" for network in written["networks"])
    written["networks"][1]["top1"], written["networks"][1]["labelled"]["agreement"] = 31.0, 49.0
    verified.write_text(json.dumps(written))
    calibrate("report", "--bundle", bundle, "--verified", verified, "--page", page)
    assert "| 31.00 | **49.00** |" in page.read_text()


def test_a_report_of_held_out_clips_says_so_and_judges_agreement_only(bundle: Path, tmp_path: Path) -> None:
    calibrate("student", "--bundle", bundle, "--clips", tmp_path / "calibration.npz", "--samples", "16")
    verified, page = tmp_path / "verify.json", tmp_path / "page.md"
    loose = ("--held_out", "--min_agreement", "50", "--report", verified)
    calibrate("verify", "--bundle", bundle, "--clips", tmp_path / "calibration.npz", *loose)
    written = json.loads(verified.read_text())
    written["networks"][1]["top1"] = 1.0
    verified.write_text(json.dumps(written))
    calibrate("report", "--bundle", bundle, "--verified", verified, "--page", page)
    heads, _, row = page.read_text().splitlines()[-5:-2]
    assert "| held-out training clips |" in heads and "test clips" not in heads
    assert row.split("|")[2].strip() == "24" and "| 1.00 |" in row


def test_a_report_needs_labelled_clips(bundle: Path, tmp_path: Path, capsys) -> None:
    calibrate("student", "--bundle", bundle, "--clips", tmp_path / "calibration.npz")
    calibrate("verify", "--bundle", bundle, "--min_agreement", "50", "--report", tmp_path / "verify.json")
    for verified, line in (
        (tmp_path / "verify.json", "no results on labelled clips"),
        (tmp_path / "no.json", "cannot be read"),
    ):
        with pytest.raises(SystemExit) as left:
            calibrate("report", "--bundle", bundle, "--verified", verified, "--page", tmp_path / "page.md")
        assert left.value.code == 2 and line in capsys.readouterr().err
    assert not (tmp_path / "page.md").exists()
