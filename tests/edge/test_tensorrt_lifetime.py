"""Opening, failing and closing TensorRT engines: threads, contexts, loggers and memory, on a fake GPU."""

import gc
import os
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from fake_cuda import FakeGpu, Misuse, PrimaryContext

from edge.contract.bundle import sha256_of
from edge.contract.errors import EngineError
from edge.engines.engine_manifest import write_engine_manifest
from edge.engines.gpu import Gpu
from edge.engines.tensorrt_engine import TensorRtEngine

CLIPS = np.arange(24, dtype=np.float32).reshape(2, 3, 4)


def test_an_engine_opens_on_one_thread_and_runs_on_another(built) -> None:
    path, _ = built()
    engine, found = TensorRtEngine(path), []
    thread = threading.Thread(target=lambda: found.append(engine.run({"clip": CLIPS})["logits"]))
    thread.start()
    thread.join()
    np.testing.assert_array_equal(found[0], 2 * CLIPS)


def test_memory_is_freed_if_opening_fails(built, monkeypatch: pytest.MonkeyPatch) -> None:
    path, trt = built()
    monkeypatch.setattr(trt.IExecutionContext, "set_tensor_address", lambda self, name, memory: False)
    with pytest.raises(EngineError, match="cannot use memory for"):
        TensorRtEngine(path)
    assert trt.gpu.taken and all(memory.freed for memory in trt.gpu.taken)


@pytest.mark.parametrize("refused", ["a profile", "a context"])
def test_what_tensorrt_cannot_make_is_one_clear_error(built, monkeypatch: pytest.MonkeyPatch, refused: str) -> None:
    """Its bindings of every version raise this error where the C++ function of the profile returns false."""
    path, trt = built()

    def fails(self, profile_index: int, stream_handle: int) -> bool:
        raise RuntimeError("Error in set optimization profile async.")

    if refused == "a context":
        monkeypatch.setattr(trt.ICudaEngine, "create_execution_context", lambda self: None)
    monkeypatch.setattr(trt.IExecutionContext, "set_optimization_profile_async", fails)
    with pytest.raises(EngineError, match="TensorRT cannot prepare the engine: no reason given; close other"):
        TensorRtEngine(path)


def test_an_engine_that_cannot_run_waits_for_its_uploads_before_it_frees_memory(
    built, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, trt = built(gpu=FakeGpu(integrated=False))
    monkeypatch.setattr(trt.IExecutionContext, "execute_async_v3", lambda self, stream_handle: False)
    with pytest.raises(EngineError, match="TensorRT cannot run it"):
        TensorRtEngine(path)
    assert trt.gpu.copies == 1 and all(memory.freed for memory in trt.gpu.taken)


def test_a_failure_of_the_gpu_is_one_clear_error(built, monkeypatch: pytest.MonkeyPatch) -> None:
    path, trt = built()
    engine = TensorRtEngine(path)

    def fails(self) -> None:
        raise engine._gpu.driver.Error("cuEventSynchronize failed: an illegal memory access was encountered")

    monkeypatch.setattr("fake_cuda.Event.synchronize", fails)
    with pytest.raises(EngineError, match=r"Orin \(16 SMs\): GPU error: cuEventSynchronize failed"):
        engine.run({"clip": CLIPS})
    with pytest.raises(Misuse, match="without a context"):
        trt.gpu.needs_context()


def test_the_reason_for_having_no_graph_is_not_given_for_a_later_failure(
    built, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, trt = built(recordable=False)
    engine = TensorRtEngine(path)
    monkeypatch.setattr(trt.IExecutionContext, "execute_async_v3", lambda self, stream_handle: False)
    with pytest.raises(EngineError, match="TensorRT cannot run it: no reason given"):
        engine.run({"clip": CLIPS})


def test_outputs_whose_shape_depends_on_the_data_are_refused(built, monkeypatch: pytest.MonkeyPatch) -> None:
    path, trt = built()
    shape = trt.IExecutionContext.get_tensor_shape
    monkeypatch.setattr(
        trt.IExecutionContext, "get_tensor_shape", lambda self, name: (-1, 4) if name == "logits" else shape(self, name)
    )
    with pytest.raises(EngineError, match="the shape of logits depends on its data"):
        TensorRtEngine(path)


@pytest.mark.parametrize("call", ["push", "pop"])
def test_a_context_that_the_driver_does_not_make_current_is_one_clear_error(
    built, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    path, _ = built()
    engine = TensorRtEngine(path)

    def fails(self) -> None:
        raise engine._gpu.driver.Error(f"cuCtx{call} failed: out of memory")

    with monkeypatch.context() as patched:
        patched.setattr(f"fake_cuda.PrimaryContext.{call}", fails)
        with pytest.raises(EngineError, match=rf"Orin \(16 SMs\): GPU error: cuCtx{call} failed"):
            engine.run({"clip": CLIPS})


def test_a_runtime_that_does_not_start_is_one_clear_error(built, board) -> None:
    path, trt = built()
    board(will_not_start="Assertion validateCaskKLibDigest(sha256sum) failed.", gpu=trt.gpu)
    with pytest.raises(EngineError, match=r"TensorRT 10\.3\.0 does not start: Assertion validateCaskKLibDigest"):
        TensorRtEngine(path)


def test_a_pycuda_that_does_not_load_is_not_reported_as_missing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The dynamic linker's error if pycuda was built with headers of another CUDA."""
    (tmp_path / "pycuda").mkdir()
    (tmp_path / "pycuda" / "__init__.py").touch()
    (tmp_path / "pycuda" / "driver.py").write_text(
        "raise ImportError('_driver.so: undefined symbol: cuArrayCreate_v2')"
    )
    monkeypatch.syspath_prepend(tmp_path)
    for name in ("pycuda", "pycuda.driver"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    with pytest.raises(EngineError, match=r"pycuda does not load: .*undefined symbol") as raised:
        Gpu()
    assert "pip install --force-reinstall" in raised.value.hint


def test_one_logger_serves_all_engines_and_outlives_each(built) -> None:
    """A restarted stage closes the engine whose logger TensorRT keeps, while another stage's engine runs."""
    path, _ = built()
    first, second = TensorRtEngine(path), TensorRtEngine(path)
    first.close()
    del first
    gc.collect()
    second.run({"clip": CLIPS})
    path.write_bytes(b"damaged")
    write_engine_manifest(path, replace(second._manifest, engine_sha256=sha256_of(path)))
    with pytest.raises(EngineError, match="TensorRT refuses the engine: magic tag does not match"):
        TensorRtEngine(path)
    second.close()


def test_engines_that_open_at_the_same_time_share_one_logger_and_one_context(
    built, board, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, trt = built()
    trt = board(gpu=trt.gpu)  # a process without a logger and without a context
    register, retain, before = trt.init_libnvinfer_plugins, PrimaryContext.__init__, trt.gpu.retained

    def slowly(logger: object, namespace: str) -> bool:
        time.sleep(0.05)
        return register(logger, namespace)

    monkeypatch.setattr(trt, "init_libnvinfer_plugins", slowly)
    monkeypatch.setattr(PrimaryContext, "__init__", lambda self, gpu: time.sleep(0.05) or retain(self, gpu))
    with ThreadPoolExecutor(2) as opening:
        engines = list(opening.map(TensorRtEngine, [path] * 2))
    assert trt.gpu.retained == before + 1
    for engine in engines:
        engine.close()


def test_the_primary_context_is_retained_once_whatever_thread_opens_and_closes(built) -> None:
    """pycuda gives nothing back for a thread that did not retain it: one more retain for each engine that a stage
    opened on its thread, and another closed."""
    path, trt = built()
    with ThreadPoolExecutor(4) as opening:
        engines = list(opening.map(TensorRtEngine, [path] * 8))
    assert trt.gpu.retained == 1
    with ThreadPoolExecutor(4) as closing:
        list(closing.map(TensorRtEngine.close, engines))
    # It stays, for the next engine.
    assert trt.gpu.retained == 1
    TensorRtEngine(path).close()
    assert trt.gpu.retained == 1


ENDS = """
import atexit, sys, threading
from fake_cuda import FakeGpu
gpu = FakeGpu()
sys.modules.update(gpu.modules())
# Registered before the first engine, so that it runs last.
atexit.register(lambda: print("at the end", gpu.retained))
from edge.engines.gpu import Gpu
Gpu()
with Gpu().current():
    print("running", gpu.retained)
"""


def test_the_primary_context_is_released_at_exit() -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", ENDS], env=environment, capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("running 1\nat the end 0\n", "")
