"""``calibrate verify --held_out``: agreement on training clips that no range was taken from."""

import json
from pathlib import Path

import networks
import numpy as np
import onnxruntime as ort
import pytest
from typed import calibrate

from edge.contract.bundle import read_bundle, write_manifest


def test_held_out_uses_the_clips_that_no_range_was_taken_from(bundle: Path, tmp_path: Path, capsys) -> None:
    clips = tmp_path / "calibration.npz"
    calibrate("student", "--bundle", bundle, "--clips", clips, "--samples", "16")
    drawn = json.loads((bundle / "calibration.json").read_text())["ids"]
    with np.load(clips) as arrays:
        given = dict(arrays)
    logits = ort.InferenceSession(str(bundle / "student.onnx")).run(None, {"clip": given["clips"]})[0]
    # The student is right on the held-out clips only.
    given["labels"] = logits.argmax(1)
    given["labels"][drawn] = (given["labels"][drawn] + 1) % networks.CLASSES
    np.savez(clips, **given)
    loose = ("--min_agreement", "50", "--report", tmp_path / "verify.json")
    calibrate("verify", "--bundle", bundle, "--clips", clips, "--held_out", *loose)
    fp32 = json.loads((tmp_path / "verify.json").read_text())["networks"][0]
    assert (fp32["labelled"]["samples"], fp32["top1"]) == (24, 100)
    assert "measured on 24 of the 40 clips" in " ".join(capsys.readouterr().err.split())
    # Top-1 on training clips is not judged: another network, mostly wrong, passes if agreement is not required.
    other = ("--candidate", networks.student(tmp_path / "other.onnx", seed=1))
    calibrate("verify", "--bundle", bundle, "--clips", clips, "--held_out", "--min_agreement", "0", *other)
    with pytest.raises(SystemExit):
        calibrate("verify", "--bundle", bundle, "--clips", clips, "--min_agreement", "0", *other)


def test_all_clips_are_used_where_too_few_are_held_out(bundle: Path, tmp_path: Path, capsys) -> None:
    clips = tmp_path / "calibration.npz"
    calibrate("student", "--bundle", bundle, "--clips", clips, "--samples", "38")
    calibrate("verify", "--bundle", bundle, "--clips", clips, "--held_out", "--min_agreement", "50")
    said = " ".join(capsys.readouterr().err.split())
    assert f"measured on 40 of the 40 clips of {clips}, because too few others are left" in said


@pytest.mark.parametrize("clips", [(), ("--clips", "test.npz")])
def test_held_out_refuses_clips_of_another_file(
    bundle: Path, tmp_path: Path, capsys, monkeypatch: pytest.MonkeyPatch, clips: tuple[str, ...]
) -> None:
    monkeypatch.chdir(tmp_path)
    calibrate("student", "--bundle", bundle, "--clips", "calibration.npz", "--samples", "8")
    with pytest.raises(SystemExit) as left:
        calibrate("verify", "--bundle", bundle, *clips, "--held_out")
    assert left.value.code == 2 and "give the file that calibrate student was given" in capsys.readouterr().err


@pytest.mark.parametrize(
    "record", ['{"ids": [1]}', '{"source": "clips.npz"}', '{"source": "calibration.npz", "ids": [1, [2]]}']
)
def test_a_record_without_the_clips_of_the_ranges_is_refused(bundle: Path, tmp_path: Path, capsys, record: str) -> None:
    (bundle / "calibration.json").write_text(record)
    write_manifest(bundle, read_bundle(bundle).manifest)
    with pytest.raises(SystemExit) as left:
        calibrate("verify", "--bundle", bundle, "--clips", tmp_path / "calibration.npz", "--held_out")
    assert left.value.code == 2 and "calibration.json: it has no source or ids" in capsys.readouterr().err
