"""A GPU whose kernel failed: every later call of the process fails, and TensorRT's destructors end it."""

import gc
import os
import subprocess
import sys
import weakref
from collections.abc import Callable

import numpy as np
import pytest
from fake_cuda import Error, FakeGpu, OutOfMemory

from edge.contract.errors import DeviceLostError, EngineError
from edge.engines.tensorrt_engine import TensorRtEngine

CLIPS = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
FAULT = "cuEventSynchronize failed: an illegal memory access was encountered"


def raising(error: Exception) -> Callable[..., None]:
    def fails(*arguments: object, **options: object) -> None:
        del arguments  # a function in C has no frame that keeps them
        raise error

    return fails


@pytest.mark.parametrize("integrated", [True, False])
def test_an_engine_on_a_lost_gpu_says_so_and_is_never_destroyed(
    built, monkeypatch: pytest.MonkeyPatch, integrated: bool
) -> None:
    path, trt = built(gpu=FakeGpu(integrated=integrated))
    engine = TensorRtEngine(path)
    monkeypatch.setattr(trt.IExecutionContext, "_compute", lambda context: trt.gpu.lose(FAULT))
    for _ in range(2):
        with pytest.raises(DeviceLostError, match=rf"^{path}: the GPU failed: cu.*illegal memory access.*; start"):
            engine.run({"clip": CLIPS})
    engine.close()
    del engine
    gc.collect()
    assert not trt.gpu.aborted


def test_an_engine_dropped_without_being_closed_is_not_destroyed_either(built, monkeypatch: pytest.MonkeyPatch) -> None:
    path, trt = built()
    engine = TensorRtEngine(path)
    monkeypatch.setattr(trt.IExecutionContext, "_compute", lambda context: trt.gpu.lose(FAULT))
    with pytest.raises(DeviceLostError):
        engine.run({"clip": CLIPS})
    del engine
    gc.collect()
    assert not trt.gpu.aborted


def test_a_gpu_that_is_lost_while_an_engine_opens(built, monkeypatch: pytest.MonkeyPatch) -> None:
    """TensorRT reports it as a failed run, whose advice would not help."""
    path, trt = built()

    def fails(context: object, stream_handle: int) -> bool:
        trt.gpu.lost = FAULT
        trt.complain("Cask convolution execution")
        return False

    monkeypatch.setattr(trt.IExecutionContext, "execute_async_v3", fails)
    with pytest.raises(DeviceLostError, match=r"the GPU failed: TensorRT cannot run it: Cask.* execution; start again"):
        TensorRtEngine(path)
    gc.collect()
    assert not trt.gpu.aborted


def test_a_failure_that_leaves_the_gpu_usable_is_none(built, monkeypatch: pytest.MonkeyPatch) -> None:
    path, trt = built()
    engine = TensorRtEngine(path)
    with monkeypatch.context() as patched:
        patched.setattr("fake_cuda.Event.synchronize", raising(Error(FAULT)))
        with pytest.raises(EngineError, match="GPU error: cuEventSynchronize") as raised:
            engine.run({"clip": CLIPS})
    assert type(raised.value) is EngineError and raised.value.hint is None
    engine.close()
    assert all(memory.freed for memory in trt.gpu.taken)


def test_a_failed_copy_does_not_keep_the_stream_from_being_destroyed_when_the_engine_closes(
    built, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Later, without a current context, pycuda cannot destroy it."""
    path, trt = built(gpu=FakeGpu(integrated=False))
    engine = TensorRtEngine(path)
    stream = weakref.ref(engine._stream)
    copy = raising(Error("cuMemcpyHtoDAsync failed: unknown error"))
    monkeypatch.setattr(engine._gpu.driver, "memcpy_htod_async", copy)
    with pytest.raises(EngineError) as raised:
        engine.run({"clip": CLIPS})
    engine.close()
    trt.gpu.streams.clear()
    trt.gpu.events.clear()
    assert raised.value is not None and stream() is None


@pytest.mark.parametrize("where", ["host", "tensorrt"])
def test_a_lack_of_memory_is_said_with_what_helps(built, monkeypatch: pytest.MonkeyPatch, where: str) -> None:
    path, trt = built()

    def refuses(runtime: object, engine: bytes) -> None:
        for text in ("Cuda Runtime (out of memory)", "Cuda Runtime (out of memory)", "allocation failed"):
            trt.complain(text)

    if where == "host":
        none_left = raising(OutOfMemory("cuMemHostAlloc failed: out of memory"))
        monkeypatch.setattr("pycuda.driver.pagelocked_empty", none_left)
    else:
        monkeypatch.setattr(trt.Runtime, "deserialize_cuda_engine", refuses)
    with pytest.raises(EngineError) as raised:
        TensorRtEngine(path)
    assert str(raised.value).count("out of memory") == 1
    assert raised.value.hint == "close other programs, or build the engines with a smaller --max_batch"


ENDS = """
from edge.engines.gpu import keep_for_ever
class Context:
    def __del__(self):
        print("destroyed")
class Engine: pass
engine = Engine()
engine.context = Context()
keep_for_ever(engine)
del engine
"""


def test_what_is_kept_for_ever_outlives_python() -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", ENDS], env=environment, capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr, done.returncode) == ("", "", 0)
