"""An INT8 pose network with perturbed weights is trained back towards its FP32 maps."""

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Literal

import cv2
import networks
import numpy as np
import onnx
import onnxruntime as ort
import pytest
import torch
from onnx import helper

from calibrate.quantisation.quantise import Quantiser
from edge.contract.errors import ConfigError, DataError, EngineError, OutputError
from train.configuration import Hardware
from train.quantise_aware.configuration import PoseFineTuningConfig
from train.quantise_aware.map_distance import map_distance, scale_of
from train.quantise_aware.pose import quantise_aware_pose
from train.quantise_aware.pose_images import random_crops

HARDWARE = Hardware(threads=1)


def pose_network(path: Path) -> Path:
    """Pixels (1, 16, 24, 3) -> two maps; MobileNet-like, with a pooling and a concatenation."""
    rng = np.random.default_rng(0)
    shapes = {"w1": (8, 3, 3, 3), "w2": (8, 1, 3, 3), "w3": (12, 8, 1, 1), "w4": (5, 20, 1, 1), "w5": (4, 20, 1, 1)}
    weights = {
        name: (rng.standard_normal(s) / np.sqrt(np.prod(s[1:]))).astype(np.float32) for name, s in shapes.items()
    }
    weights |= {"middle": np.array(127.5, np.float32), "scale": np.array(1 / 64, np.float32)}
    border = {"pads": [1, 1, 1, 1]}
    nodes = [
        helper.make_node("Cast", ["image"], ["pixels"], to=1),
        helper.make_node("Transpose", ["pixels"], ["planes"], perm=[0, 3, 1, 2]),
        helper.make_node("Sub", ["planes", "middle"], ["centred"]),
        helper.make_node("Mul", ["centred", "scale"], ["scaled"]),
        helper.make_node("Conv", ["scaled", "w1"], ["c1"], name="first", **border),
        helper.make_node("Relu", ["c1"], ["x1"]),
        helper.make_node("Conv", ["x1", "w2"], ["c2"], name="depthwise", group=8, **border),
        helper.make_node("Conv", ["c2", "w3"], ["c3"], name="pointwise"),
        helper.make_node("Relu", ["c3"], ["x3"]),
        helper.make_node("Concat", ["x1", "x3"], ["both"], axis=1),
        helper.make_node("MaxPool", ["both"], ["pooled"], kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("Conv", ["pooled", "w4"], ["heatmaps"], name="heat"),
        helper.make_node("Conv", ["pooled", "w5"], ["pafs"], name="paf"),
    ]
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes,
        "pose",
        [value("image", onnx.TensorProto.UINT8, [1, 16, 24, 3])],
        [value("heatmaps", 1, [1, 5, 8, 12]), value("pafs", 1, [1, 4, 8, 12])],
        [onnx.numpy_helper.from_array(array, name) for name, array in weights.items()],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), str(path))
    return path


@pytest.fixture
def spoilt(tmp_path: Path) -> PoseFineTuningConfig:
    """An FP32 network, its INT8 file with perturbed weights, and eight images."""
    rng = np.random.default_rng(1)
    (tmp_path / "pictures").mkdir()
    for i in range(8):
        coarse = rng.integers(0, 256, (4, 6, 3), np.uint8)
        cv2.imwrite(str(tmp_path / "pictures" / f"{i}.png"), cv2.resize(coarse, (96, 64)))
    samples = [rng.integers(0, 256, (1, 16, 24, 3), np.uint8) for _ in range(8)]
    network, int8 = pose_network(tmp_path / "pose.onnx"), tmp_path / "pose.int8.onnx"
    Quantiser(network, samples, "minmax").write(int8)
    model = onnx.load(int8)
    for constant in model.graph.initializer:
        array = onnx.numpy_helper.to_array(constant)
        if array.dtype == np.int8 and array.ndim == 4:
            pushed = np.clip(array + rng.integers(-24, 25, array.shape), -127, 127).astype(np.int8)
            constant.CopyFrom(onnx.numpy_helper.from_array(pushed, constant.name))
    onnx.save(model, str(int8))
    int8.with_suffix(".json").write_text('{"method": "minmax"}')
    return PoseFineTuningConfig(
        network, int8, tmp_path / "pictures", steps=60, batch=4, learning_rate=1e-2, hardware=HARDWARE
    )


def distance(config: PoseFineTuningConfig) -> float:
    """Distance of the INT8 file's maps from the FP32 file's, by ONNX Runtime, on images not trained on."""
    pictures = random_crops([np.random.default_rng(5).integers(0, 256, (64, 96, 3), np.uint8)], (24, 16), 9, 0, 6)
    runs = [
        [ort.InferenceSession(str(path)).run(None, {"image": p[None]}) for p in pictures]
        for path in (config.network, config.int8)
    ]
    return float(
        np.mean([np.mean((a - b) ** 2) for w, g in zip(*runs, strict=True) for a, b in zip(w, g, strict=True)])
    )


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
def test_training_reduces_the_distance_and_keeps_the_qdq_pairs(
    spoilt: PoseFineTuningConfig, precision: Literal["32-true", "bf16-mixed"], capsys: pytest.CaptureFixture[str]
) -> None:
    before, nodes = distance(spoilt), onnx.load(spoilt.int8).graph.node
    quantise_aware_pose(replace(spoilt, hardware=Hardware(threads=1, precision=precision)))
    assert distance(spoilt) < 0.3 * before
    printed = " ".join(capsys.readouterr().err.split())
    percents = [int(percent) for percent in re.findall(r"training, percent (\d+)/100, ", printed)]
    assert percents == sorted(set(percents)) and len(percents) == 60 and percents[-1] == 100
    said = re.search(r"maps (\S+) before, (\S+) after 60 steps", printed)
    assert said and 0 < float(said.group(2)) < 0.5 * float(said.group(1))
    assert onnx.load(spoilt.int8).graph.node == nodes
    assert json.loads(spoilt.int8.with_suffix(".json").read_text()) == {"method": "minmax", "quantise_aware_steps": 60}


def test_a_damaged_record_of_calibration_is_refused_before_training(spoilt: PoseFineTuningConfig) -> None:
    before = spoilt.int8.read_bytes()
    spoilt.int8.with_suffix(".json").write_text('{"method": ')
    with pytest.raises(DataError, match=r"\.json: not readable as JSON: .*; calibrate again, or remove it"):
        quantise_aware_pose(spoilt)
    assert spoilt.int8.read_bytes() == before


def test_a_record_that_cannot_be_written_leaves_the_former_network(spoilt: PoseFineTuningConfig) -> None:
    before, record = spoilt.int8.read_bytes(), spoilt.int8.with_suffix(".json")
    spoilt.int8.with_suffix(".partial.json").mkdir()
    with pytest.raises(OutputError, match=f"{record}: cannot be written"):
        quantise_aware_pose(replace(spoilt, steps=1))
    assert spoilt.int8.read_bytes() == before and json.loads(record.read_text()) == {"method": "minmax"}


def test_a_paused_training_resumes_to_the_same_file(spoilt: PoseFineTuningConfig) -> None:
    start = spoilt.int8.read_bytes()
    quantise_aware_pose(replace(spoilt, steps=8))
    at_once = spoilt.int8.read_bytes()
    spoilt.int8.write_bytes(start)
    for _ in range(8):
        quantise_aware_pose(replace(spoilt, steps=8, pause_after=1e-9))
        assert spoilt.int8.read_bytes() == start
    quantise_aware_pose(replace(spoilt, steps=8))
    assert spoilt.int8.read_bytes() == at_once
    assert not list(spoilt.int8.parent.glob("*.training.pt"))


def test_minutes_before_a_pause_count_towards_the_limit(spoilt: PoseFineTuningConfig) -> None:
    limited, path = replace(spoilt, steps=500, minutes=1), spoilt.int8.with_suffix(".training.pt")
    spent_s = [0.0]
    for _ in range(2):
        quantise_aware_pose(replace(limited, pause_after=1e-9))
        saved = torch.load(path, weights_only=True)
        spent_s.append(saved["state"]["spent_s"])
    assert spent_s == sorted(set(spent_s))
    saved["state"]["spent_s"] = 60.0
    torch.save(saved, path)
    quantise_aware_pose(limited)
    assert json.loads(spoilt.int8.with_suffix(".json").read_text())["quantise_aware_steps"] == 2


def test_a_training_with_other_settings_or_files_is_not_resumed(spoilt: PoseFineTuningConfig, tmp_path: Path) -> None:
    quantise_aware_pose(replace(spoilt, pause_after=1e-9))
    shutil.copytree(spoilt.frames, tmp_path / "others")
    (tmp_path / "other.onnx").write_bytes(spoilt.network.read_bytes() + b"\x7a\0")  # an empty piece of metadata
    for name, other in (
        ("pictures", 9), ("steps", 61), ("batch", 5), ("learning_rate", 1e-3), ("elsewhere", 0.5), ("minutes", 3.0),
        ("seed", 1), ("frames", tmp_path / "others"), ("network", tmp_path / "other.onnx"),
        ("precision", replace(HARDWARE, precision="bf16-mixed")),
    ):  # fmt: skip
        with pytest.raises(ConfigError, match=f"a training with another {name} was interrupted here"):
            quantise_aware_pose(replace(spoilt, **{"hardware" if name == "precision" else name: other}))
    whole = spoilt.int8.read_bytes()
    spoilt.int8.write_bytes(whole + b"\x72\0")
    with pytest.raises(ConfigError, match="another int8 "):
        quantise_aware_pose(spoilt)
    spoilt.int8.write_bytes(whole)
    spoilt.int8.with_suffix(".training.pt").write_bytes(b"half of it")
    with pytest.raises(DataError, match="cannot resume from this file"):
        quantise_aware_pose(spoilt)


@pytest.mark.parametrize("lost", ["spent_s", "student"])
def test_an_interrupted_training_of_an_earlier_version_is_refused_in_one_line(
    spoilt: PoseFineTuningConfig, lost: str
) -> None:
    quantise_aware_pose(replace(spoilt, pause_after=1e-9))
    path, before = spoilt.int8.with_suffix(".training.pt"), spoilt.int8.read_bytes()
    kept = torch.load(path, weights_only=True)
    if lost == "student":
        kept["state"]["student"].popitem()
    else:
        del kept["state"][lost]
    torch.save(kept, path)
    with pytest.raises(DataError, match=r"\.training\.pt: written by another version of skd-edge.+train again"):
        quantise_aware_pose(spoilt)
    assert spoilt.int8.read_bytes() == before


def test_a_network_with_another_input_is_refused(spoilt: PoseFineTuningConfig, tmp_path: Path) -> None:
    student = networks.student(tmp_path / "student.onnx")
    config = PoseFineTuningConfig(student, spoilt.int8, spoilt.frames, hardware=HARDWARE)
    with pytest.raises(EngineError, match="bytes"):
        quantise_aware_pose(config)


def test_a_training_that_diverges_leaves_the_file_unchanged(spoilt: PoseFineTuningConfig) -> None:
    before = spoilt.int8.read_bytes()
    wild = PoseFineTuningConfig(
        spoilt.network, spoilt.int8, spoilt.frames, steps=40, batch=2, learning_rate=1e30, hardware=HARDWARE
    )
    quantise_aware_pose(replace(wild, pause_after=1e-9))
    with pytest.raises(DataError, match="loss"):
        quantise_aware_pose(wild)
    assert spoilt.int8.read_bytes() == before
    assert not list(spoilt.int8.parent.glob("*.training.pt")), "resumed, it would diverge again"


def test_more_than_one_device_is_refused() -> None:
    with pytest.raises(ConfigError, match="one device"):
        PoseFineTuningConfig(Path("a"), Path("b"), Path("c"), hardware=Hardware(devices=2))


def test_cells_far_from_any_peak_have_a_smaller_weight() -> None:
    wanted = torch.zeros(1, 1, 16, 16)
    wanted[0, 0, 3, 3] = 1
    near, far = wanted.clone(), wanted.clone()
    near[0, 0, 4, 5] += 0.04
    far[0, 0, 12, 12] += 0.04
    quarter = [torch.full((1, 1, 1, 1), 0.25)]
    distances = [float(map_distance([given], [wanted], quarter, 0.1)) / 4 for given in (near, far)]
    # 25 cells of 256 count fully, the others a tenth.
    np.testing.assert_allclose(distances, [0.04**2 / 48.1, 0.1 * 0.04**2 / 48.1], rtol=1e-4)
    false_peak = wanted.clone()
    false_peak[0, 0, 12, 12] += 0.06  # a peak is above 0.1
    assert float(map_distance([false_peak], [wanted], quarter, 0.1)) / 4 == pytest.approx(0.06**2 / 70.6, rel=1e-4)


def test_a_channel_that_shows_nothing_counts_at_most_ten_times_the_mean() -> None:
    maps = torch.tensor([[1.0, 5.0], [3.0, 5.0]]).reshape(2, 2, 1, 1)  # variances 2 and 0
    assert scale_of(maps).flatten().tolist() == pytest.approx([2.0, 0.1])
