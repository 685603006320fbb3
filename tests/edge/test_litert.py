"""The LiteRT engine, on real networks."""

import sys

import numpy as np
import pytest

from edge.contract.errors import EngineError
from edge.engines.engine import bound
from edge.engines.registry import open_engine
from edge.pose.blazepose_landmarks import is_read

BLANK = {"serving_default_input:0": np.zeros((1, 192, 192, 3), np.uint8)}


@pytest.fixture
def movenet(shared_data):
    return shared_data / "models" / "movenet_lightning_int8_v4.tflite"


def test_a_network_names_its_tensors_and_runs(movenet):
    engine = open_engine(movenet, threads=1)
    assert [(s.shape, s.dtype) for s in engine.inputs] == [((1, 192, 192, 3), np.uint8)]
    (keypoints,) = engine.run(BLANK).values()
    assert keypoints.shape == (1, 1, 17, 3)
    assert engine.describe().startswith("LiteRT 2") and "1 threads" in engine.describe()
    engine.close()


def test_outputs_stay_what_they_were_when_the_network_runs_again(movenet):
    engine = open_engine(movenet, threads=1)
    (first,) = engine.run(BLANK).values()
    kept = first.copy()
    engine.run({name: array + 200 for name, array in BLANK.items()})
    assert np.array_equal(first, kept)


def test_bound_to_arrays_it_reads_and_writes_these_and_answers_as_ever(movenet):
    engine = open_engine(movenet, threads=1)
    (given,), (answer,) = engine.inputs, engine.outputs
    picture, found = np.zeros(given.shape, given.dtype), np.zeros(answer.shape, answer.dtype)
    run = bound(engine, {given.name: picture}, {answer.name: found})
    for seed in (0, 1):
        picture[:] = np.random.default_rng(seed).integers(0, 256, picture.shape)
        run()
        assert np.array_equal(found, engine.run({given.name: picture})[answer.name]) and found.any()


@pytest.mark.parametrize("part", [0.0, 0.0001, 0.5, 0.99])
def test_a_truncated_file_is_one_clear_error(movenet, tmp_path, part):
    whole = movenet.read_bytes()
    damaged = tmp_path / "damaged.tflite"
    damaged.write_bytes(whole[: int(len(whole) * part)])
    with pytest.raises(EngineError, match=r"damaged\.tflite: LiteRT cannot load it"):
        open_engine(damaged)


def test_a_wrong_input_is_refused_by_name(movenet):
    engine = open_engine(movenet, threads=1)
    with pytest.raises(EngineError, match="takes uint8"):
        engine.run({"serving_default_input:0": np.zeros((1, 192, 192, 3), np.float32)})
    with pytest.raises(EngineError, match="picture"):
        engine.run({"picture": np.zeros((1, 192, 192, 3), np.uint8)})


def test_outputs_that_nobody_reads_are_left_out_and_the_others_stay_to_the_bit(shared_data):
    path = shared_data / "models" / "blazepose_lite.tflite"
    whole, part = open_engine(path, threads=1), open_engine(path, threads=1, wanted=is_read)
    # The model card: 39 points of five numbers, presence, a mask of 256x256, heatmaps of 64x64, 39 points in metres.
    assert sorted(s.shape for s in part.outputs) == [(1, 1), (1, 64, 64, 39), (1, 195)]
    assert len(whole.outputs) == 5 and part.inputs == whole.inputs
    given = {whole.inputs[0].name: np.random.default_rng(1).random((1, 256, 256, 3), np.float32)}
    expected = whole.run(given)
    for name, array in part.run(given).items():
        assert np.array_equal(array, expected[name]), name


@pytest.mark.parametrize("everything", [True, False])
def test_a_network_is_left_whole_where_all_is_read_or_nothing(movenet, everything):
    engine = open_engine(movenet, threads=1, wanted=lambda output: everything)
    assert [s.shape for s in engine.outputs] == [(1, 1, 17, 3)]


def test_a_network_is_run_whole_where_litert_lacks_the_classes_of_its_format(shared_data, monkeypatch):
    monkeypatch.setitem(sys.modules, "ai_edge_litert.schema_py_generated", None)
    engine = open_engine(shared_data / "models" / "blazepose_lite.tflite", threads=1, wanted=is_read)
    assert len(engine.outputs) == 5
