"""Ctrl-C while TensorRT works and logs: pybind11 drops what a callback into Python raises."""

import gc
import os
import signal
import threading
import weakref
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from calibrate.tensorrt.engine_builder import BuildOptions, build_engine
from edge.engines.off_main_thread import off_main_thread
from edge.engines.tensorrt_engine import TensorRtEngine


@pytest.fixture
def busy() -> Callable[..., None]:
    """A function of TensorRT that logs for five seconds, and during which a user presses Ctrl-C once."""
    started, over = threading.Event(), threading.Event()

    def press() -> None:
        started.wait()
        if not over.is_set():
            os.kill(os.getpid(), signal.SIGINT)

    def log(*arguments: object) -> None:
        started.set()
        for _ in range(500):
            try:
                if over.wait(0.01):
                    return
            except BaseException:  # noqa: BLE001, S110 as pybind11
                pass

    user = threading.Thread(target=press)
    user.start()
    yield log
    over.set()
    started.set()
    user.join()


@pytest.mark.usefixtures("heeds_ctrl_c")
def test_ctrl_c_while_an_engine_opens_is_not_lost(
    built, busy: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    path, trt = built()
    monkeypatch.setattr(trt.Runtime, "deserialize_cuda_engine", busy)
    with pytest.raises(KeyboardInterrupt):
        TensorRtEngine(path)


@pytest.mark.usefixtures("heeds_ctrl_c")
@pytest.mark.parametrize("call", ["the builder starts", "the parser reads"])
def test_ctrl_c_before_a_build_is_not_lost(
    built, busy: Callable[..., None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    path, trt = built()
    if call == "the builder starts":
        monkeypatch.setattr(trt, "Builder", busy)
    else:
        monkeypatch.setattr(trt.OnnxParser, "parse", busy)
    with pytest.raises(KeyboardInterrupt):
        build_engine(path.with_suffix(".onnx"), tmp_path / "again.engine", BuildOptions("fp32"))
    assert not list(tmp_path.glob("again*"))


def test_results_and_errors_are_those_of_the_call() -> None:
    caller = threading.get_ident()
    assert off_main_thread(threading.get_ident) != caller
    with pytest.raises(ZeroDivisionError):
        off_main_thread(lambda: 1 / 0)


def test_an_error_does_not_keep_what_the_call_allocated() -> None:
    class Memory:
        pass

    kept = []

    def fails() -> None:
        memory = Memory()
        kept.append(weakref.ref(memory))
        raise ValueError("out of memory")

    gc.disable()
    try:
        with suppress(ValueError):
            off_main_thread(fails)
        assert kept[0]() is None
    finally:
        gc.enable()
