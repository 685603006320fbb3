"""The camera loop with engines gives what it gives with ONNX Runtime."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tiny_bundle
from heatmap_person import person_network

from edge.capture.pose_recording import read_frames, read_header
from edge.contract.types import Frame

pytestmark = pytest.mark.gpu
FRAMES = 60
STANDING = np.random.default_rng(1).uniform(0.2, 0.8, (18, 2)).astype(np.float32)


def loop(bundle: Path, pose: Path, out: Path) -> tuple[list[Frame], dict]:
    """Every recorded frame, and the report, of a run over images of 160x128 at 15 Hz."""
    out.mkdir()
    images = np.random.default_rng(0).integers(0, 256, (FRAMES, 128, 160, 3), np.uint8)
    command = [sys.executable, "-m", "edge", "run", "--source", "-", "--bundle", bundle, "--pose.name", "trt_pose"]
    command += ["--pose.network", pose, "--capture.width", 160, "--capture.height", 128, "--capture.fps", 15]
    command += ["--capture.codec", "bgr", "--record", out / "poses.jsonl", "--report", out / "report.json"]
    ran = subprocess.run([*map(str, command)], input=images.tobytes(), capture_output=True, timeout=120, check=False)
    assert ran.returncode == 0, ran.stderr.decode()
    recording = out / "poses.jsonl"
    return list(read_frames(recording, read_header(recording))), json.loads((out / "report.json").read_text())


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_people_and_labels_are_those_of_onnx_runtime(tmp_path: Path, precision: str) -> None:
    from calibrate.tensorrt.best_engine import engine
    from calibrate.tensorrt.configuration import EngineConfig

    bundle = tiny_bundle.make(tmp_path / "bundle")
    built = shutil.copytree(bundle, tmp_path / "built")
    person_network(tmp_path / "pose.onnx", STANDING)
    engine(EngineConfig(bundle=built, precision=precision, max_batch=1))
    engine(EngineConfig(onnx=tmp_path / "pose.onnx", precision=precision))
    wanted, plain = loop(bundle, tmp_path / "pose.onnx", tmp_path / "onnx")
    found, report = loop(built, tmp_path / "pose.engine", tmp_path / "engines")
    assert len(found) == len(wanted) == FRAMES
    for one, other in zip(found, wanted, strict=True):
        assert len(one.poses) == len(other.poses) == 1
        np.testing.assert_allclose(one.poses[0].keypoints, other.poses[0].keypoints, atol=0.5)
    assert "TensorRT" in report["pose"] and "TensorRT" in report["student"]
    assert plain["action_seconds"]["1"].keys() > {"(undecided)"}
    assert report["action_seconds"] == plain["action_seconds"]
