"""``calibrate verify-pose``: verdict and report, on networks that see the same people in every image."""

import json
from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest
from heatmap_person import SIDE, person_network
from typed import calibrate

JOINTS = np.random.default_rng(1).uniform(0.1, 0.9, (18, 2)).astype(np.float32)


@pytest.fixture
def pose(tmp_path: Path) -> Path:
    """A network that sees one person, beside two images."""
    person_network(tmp_path / "pose.onnx", JOINTS)
    for i in range(2):
        cv2.imwrite(str(tmp_path / f"{i}.png"), np.full((SIDE, SIDE, 3), 50 * i, np.uint8))
    return tmp_path / "pose.onnx"


def verify(network: Path, candidate: Path, *flags: str) -> None:
    common = ("--network", network, "--frames", network.parent, "--report", network.parent / "report.json")
    calibrate("verify-pose", *common, "--candidate", candidate, *flags)


def test_a_network_that_finds_the_same_people_passes(pose: Path, tmp_path: Path, capsys) -> None:
    person_network(tmp_path / "moved.onnx", JOINTS + np.float32([0.02, 0]))
    with (tmp_path / "moved.onnx").open("ab") as stream:  # a description of the same size
        stream.write(onnx.ModelProto(doc_string=" " * pose.stat().st_size).SerializeToString())
    verify(pose, tmp_path / "moved.onnx", "--min_people_agreement", "100")
    written = json.loads((tmp_path / "report.json").read_text())
    assert written["passed"] and written["missed"] == [] and written["pictures"] == 2
    assert written["people"] == {"FP32": 2, "candidate": 2, "both": 2}
    size = np.ptp(JOINTS, axis=0).max()
    measured = {"people_found_by_both": 100, "joint_distance_of_body_size": pytest.approx(100 * 0.02 / size, rel=0.1)}
    assert written["measured"] == measured
    assert set(written["errors"]) == {"cmap", "paf"} and written["errors"]["cmap"]["largest"] > 0.1
    assert written["bytes_ratio"] == (tmp_path / "moved.onnx").stat().st_size / pose.stat().st_size
    fp32, moved = written["latency"]
    error, distance = written["errors"]["cmap"], written["measured"]["joint_distance_of_body_size"]
    said = " ".join(capsys.readouterr().err.replace("│", " ").split())
    for row in (
        "people found by FP32, candidate, both 2, 2, 2",
        f"people found by both 100.00 % joint distance of body size {distance:.2f} %",
        f"cmap: largest, mean error {error['largest']:.4f}, {error['mean']:.5f} of {error['scale']:.3f}",
        f"FP32: p50, p90 {fp32['p50_ms']:.2f}, {fp32['p90_ms']:.2f} ms",
        f"candidate: p50, p90 {moved['p50_ms']:.2f}, {moved['p90_ms']:.2f} ms",
        f"times as fast {fp32['p50_ms'] / moved['p50_ms']:.2f} file size 200 % verdict passed",
    ):
        assert row in said


def test_a_network_that_finds_other_people_misses_the_budget(pose: Path, tmp_path: Path) -> None:
    person_network(tmp_path / "other.onnx", JOINTS[::-1].copy())
    with pytest.raises(SystemExit) as left:
        verify(pose, tmp_path / "other.onnx")
    assert left.value.code == 1
    written = json.loads((tmp_path / "report.json").read_text())
    assert not written["passed"] and written["people"] == {"FP32": 2, "candidate": 2, "both": 0}
    assert written["measured"] == {"people_found_by_both": 0, "joint_distance_of_body_size": 0}
    assert written["missed"] == ["0.0 % of people are found by both, 80 % are required"]
    verify(pose, tmp_path / "other.onnx", "--min_people_agreement", "0")


def test_an_unwritable_report_is_an_error_before_the_work(pose: Path, capsys) -> None:
    with pytest.raises(SystemExit) as left:
        verify(pose, pose, "--report", str(pose / "report.json"))
    said = capsys.readouterr().err
    assert left.value.code == 2 and said.startswith(f"error: {pose}/report.json: ") and said.count("\n") == 1


def test_frames_in_which_fp32_finds_nobody_are_refused(pose: Path, tmp_path: Path, capsys) -> None:
    """Any network would agree with it."""
    model = onnx.load(pose)
    for initializer in model.graph.initializer:
        initializer.raw_data = bytes(len(initializer.raw_data))
    onnx.save(model, tmp_path / "blind.onnx")
    with pytest.raises(SystemExit) as left:
        verify(tmp_path / "blind.onnx", pose)
    assert left.value.code == 2 and f"{tmp_path}: the FP32 network finds nobody" in capsys.readouterr().err
    assert not (tmp_path / "report.json").exists()
