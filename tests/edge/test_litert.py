"""The LiteRT engine, on real networks."""

import numpy as np
import pytest

from edge.contract.errors import EngineError
from edge.engines.engine import TimedEngine, bind
from edge.engines.registry import open_engine

BLANK = {"serving_default_input:0": np.zeros((1, 192, 192, 3), np.uint8)}


@pytest.fixture
def movenet(shared_data):
    return shared_data / "models" / "movenet_lightning_int8_v4.tflite"


def test_a_network_names_its_tensors_and_runs(movenet):
    engine = open_engine(movenet, threads=1)
    assert [(s.shape, s.dtype) for s in engine.inputs] == [((1, 192, 192, 3), np.uint8)]
    (keypoints,) = engine.run(BLANK).values()
    assert keypoints.shape == (1, 1, 17, 3)
    assert engine.describe().startswith("LiteRT 2") and "1 thread" in engine.describe()
    engine.close()


def test_outputs_stay_what_they_were_when_the_network_runs_again(movenet):
    engine = open_engine(movenet, threads=1)
    (first,) = engine.run(BLANK).values()
    kept = first.copy()
    engine.run({name: array + 200 for name, array in BLANK.items()})
    assert np.array_equal(first, kept)


def test_a_bound_run_reads_and_writes_its_arrays(movenet):
    engine = open_engine(movenet, threads=1)
    (given,), (answer,) = engine.inputs, engine.outputs
    picture, found = np.zeros(given.shape, given.dtype), np.zeros(answer.shape, answer.dtype)
    run = bind(engine, {given.name: picture}, {answer.name: found})
    for seed in (0, 1):
        picture[:] = np.random.default_rng(seed).integers(0, 256, picture.shape)
        run()
        assert np.array_equal(found, engine.run({given.name: picture})[answer.name]) and found.any()


def test_a_timed_engine_can_be_bound_and_sums_its_seconds(movenet):
    engine = open_engine(movenet, threads=1)
    timed, (given,), (answer,) = TimedEngine(engine), engine.inputs, engine.outputs
    picture, found = np.full(given.shape, 90, given.dtype), np.zeros(answer.shape, answer.dtype)
    run = bind(timed, {given.name: picture}, {answer.name: found})
    assert timed.busy_s == 0
    run()
    once = timed.busy_s
    assert np.array_equal(found, engine.run({given.name: picture})[answer.name]) and once > 0
    run()
    assert timed.busy_s > once


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
