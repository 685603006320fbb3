"""Layers stay in floating point only where the budget needs it, and no more than it needs."""

from pathlib import Path

import networks
import numpy as np
import onnx
import onnxruntime as ort
import pytest

from calibrate.calibration_set import LabelledClips
from calibrate.float_layers import choose_float_layers
from calibrate.quantise import Quantiser
from edge.contract.bundle import AccuracyBudget


def decisions(source: bytes, clips: np.ndarray) -> np.ndarray:
    return ort.InferenceSession(source).run(None, {"clip": clips})[0].argmax(1)


@pytest.fixture
def fragile(tmp_path: Path) -> Path:
    """A student whose classifier reads a channel that is drowned by another: in eight bits its decisions change."""
    model = onnx.load(networks.student(tmp_path / "student.onnx"))
    for initializer in model.graph.initializer:
        if initializer.name in ("w3", "b3"):
            array = onnx.numpy_helper.to_array(initializer).copy()
            # The classifier is a Gemm, whose inputs are not balanced.
            array[0] *= 3000
            initializer.CopyFrom(onnx.numpy_helper.from_array(array, initializer.name))
        if initializer.name == "w4":
            array = onnx.numpy_helper.to_array(initializer).copy()
            array[:, 0] /= 30000
            initializer.CopyFrom(onnx.numpy_helper.from_array(array, initializer.name))
    path = tmp_path / "fragile.onnx"
    onnx.save(model, str(path))
    return path


def labelled(source: Path, count: int = 200) -> LabelledClips:
    clips = networks.clips(count, seed=4)
    return LabelledClips(clips, decisions(source.read_bytes(), clips), np.arange(count))


def quantiser_of(source: Path) -> Quantiser:
    clips = networks.clips(24)
    return Quantiser(source, [clips[i : i + 1] for i in range(24)], "minmax")


def test_where_eight_bits_are_enough_no_layer_is_left_out(tmp_path: Path) -> None:
    source = networks.student(tmp_path / "student.onnx")
    choice = choose_float_layers(quantiser_of(source), labelled(source), AccuracyBudget(5, 95))
    assert choice.float_layers == [] and choice.losses == []
    assert [t.float_layers for t in choice.trials] == [0]


def test_just_as_many_layers_as_the_budget_needs(fragile: Path) -> None:
    clips, quantiser, budget = labelled(fragile), quantiser_of(fragile), AccuracyBudget(1, 98)
    choice = choose_float_layers(quantiser, clips, budget)
    wanted = decisions(fragile.read_bytes(), clips.clips)

    def alike(layers: list[str]) -> float:
        model = quantiser.quantised(layers, quantiser.samples)
        return 100 * float((decisions(model.SerializeToString(), clips.clips) == wanted).mean())

    assert alike([]) < 98
    assert 0 < len(choice.float_layers) < len(quantiser.layers)
    assert alike(choice.float_layers) >= 98
    assert alike(choice.float_layers[:-1]) < 98


def test_a_budget_that_nothing_meets_leaves_all_in_eight_bits(fragile: Path) -> None:
    choice = choose_float_layers(quantiser_of(fragile), labelled(fragile), AccuracyBudget(0, 100.1))
    assert choice.float_layers == []
    assert choice.trials[-1].float_layers == 4
