"""ONNX Runtime on the CPU: bound arrays, whose bare addresses it reads and writes, and threads."""

import gc
import weakref
from pathlib import Path

import networks
import numpy as np
import pytest
from onnx import helper

from edge.contract.errors import EngineError
from edge.engines.engine import Engine, bind
from edge.engines.registry import open_engine


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    return open_engine(networks.student(tmp_path / "student.onnx"), threads=1)


def outputs(engine: Engine, count: int) -> np.ndarray:
    return np.zeros((count, *(n or 1 for n in engine.outputs[0].shape[1:])), np.float32)


def test_a_bound_run_reads_and_writes_its_arrays_and_keeps_them_alive(engine: Engine) -> None:
    clips, logits = networks.clips(2, seed=0), outputs(engine, 2)
    run = bind(engine, {"clip": clips}, {"logits": logits})
    for seed in (1, 2):
        clips[:] = networks.clips(2, seed=seed)
        run()
        np.testing.assert_array_equal(logits, engine.run({"clip": clips})["logits"])
    held = weakref.ref(clips), weakref.ref(logits)
    del clips, logits
    gc.collect()
    assert all(array() is not None for array in held)


@pytest.mark.parametrize("wrong", ["input", "output"])
def test_arrays_that_do_not_fit_are_refused_before_their_addresses_are_used(engine: Engine, wrong: str) -> None:
    clips, logits = networks.clips(1, seed=0), outputs(engine, 1)
    given = {"clip": clips[:, :, :-1].copy() if wrong == "input" else clips}
    with pytest.raises(EngineError, match=rf"{'clip' if wrong == 'input' else 'logits'} takes float32"):
        bind(engine, given, {"logits": logits[:, :-1].copy() if wrong == "output" else logits})


def test_a_network_that_fails_at_run_time_is_an_engine_error_and_nothing_is_logged(tmp_path: Path, capfd) -> None:
    shapes = (("clip", ["n", 3]), ("logits", ["m", 2]))
    rows = [helper.make_node("Reshape", ["clip", "shape"], ["logits"])]
    engine = open_engine(networks.save(tmp_path / "rows.onnx", rows, {"shape": np.array([-1, 2])}, shapes), threads=1)
    with pytest.raises(EngineError, match=r"rows\.onnx: ONNX Runtime cannot run it"):
        engine.run({"clip": np.zeros((1, 3), np.float32)})
    assert capfd.readouterr() == ("", "")


def test_a_session_has_as_many_threads_as_asked_for(tmp_path: Path) -> None:
    network, tasks = networks.student(tmp_path / "student.onnx"), Path("/proc/self/task")
    before = len(list(tasks.iterdir()))
    engine = open_engine(network, threads=4)
    assert len(list(tasks.iterdir())) == before + 3, "the caller's thread works too"
    engine.close()
