"""The GPU through pycuda: identity, context, streams and events."""

from __future__ import annotations

import atexit
import ctypes
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from edge.contract.errors import DeviceLostError, EngineError, MissingDependency

_NON_BLOCKING = 1
"""CU_STREAM_NON_BLOCKING: does not synchronise with the default stream, which cannot be captured."""

_BUILD_AGAIN = "build it for this machine's CUDA: pip install --force-reinstall --no-cache-dir pycuda"
_NO_DRIVER = "engines need an NVIDIA GPU (in a container: --runtime nvidia); on a laptop run the .onnx file"
# On JetPack 6 and 7 the driver opens /dev/dri/renderD*; without permission it says "operation not supported".
_REFUSED = "this user may lack the group render or video, as `python -m edge doctor` tells (in a container: docker/run)"

START_AGAIN = "start again; if it happens again, `sudo dmesg` may tell why"
FREE_MEMORY = "close other programs, or build the engines with a smaller --max_batch"

_context_lock = threading.Lock()


class Gpu:
    """The first CUDA device.

    driver: the module ``pycuda.driver``. name: for instance "Orin (16 SMs)", because every Orin, from AGX to Nano, is
    called Orin, and an engine is built for a number of multiprocessors. compute_capability: "8.7".
    integrated: whether it shares the processor's memory, as on every Jetson.
    Raises MissingDependency without pycuda, EngineError without a driver or a GPU.
    """

    def __init__(self) -> None:
        try:
            import pycuda.driver as driver
        except ImportError as error:
            # pycuda is installed, but the driver's library is missing.
            if "libcuda" in str(error):
                raise EngineError("no NVIDIA driver on this machine", hint=_NO_DRIVER) from error
            if not isinstance(error, ModuleNotFoundError):
                # Installed, but built for another driver or CUDA.
                raise EngineError(f"pycuda does not load: {error}", hint=_BUILD_AGAIN) from error
            raise MissingDependency("pycuda", needed_for="running a TensorRT engine", install="see docker/") from error
        self.driver: Any = driver
        try:
            driver.init()
            device = driver.Device(0)
            multiprocessors = device.get_attribute(driver.device_attribute.MULTIPROCESSOR_COUNT)
            self.name = f"{device.name()} ({multiprocessors} SMs)"
            self.compute_capability = ".".join(str(n) for n in device.compute_capability())
            self.integrated = bool(device.get_attribute(driver.device_attribute.INTEGRATED))
            with _context_lock:
                self._context = _primary_context(driver)
        except driver.Error as error:
            hint = _REFUSED if "operation not supported" in str(error) else _NO_DRIVER
            raise EngineError(f"no usable NVIDIA GPU: {error}", hint=self._hint(error) or hint) from error

    @contextmanager
    def current(self, engine: object = None, path: Path | None = None) -> Iterator[None]:
        """Make the context current on this thread; engines may be opened and run on different threads.

        path: the engine's file, for the error message.
        Turns the driver's errors inside the block into EngineError. Whatever failed, raises DeviceLostError if nothing
        can be run any more; the engine is then never destroyed, because TensorRT's destructors would abort the process.
        """
        try:
            self._context.push()
            try:
                yield
            except (self.driver.Error, EngineError) as error:
                if self.is_lost() and not isinstance(error, DeviceLostError):
                    keep_for_ever(engine)
                    what = error.what if isinstance(error, EngineError) else error
                    raise DeviceLostError(
                        f"the GPU failed: {what}", where=path or self.name, hint=START_AGAIN
                    ) from error
                raise
            finally:
                self._context.pop()
        except self.driver.Error as error:
            raise EngineError(f"GPU error: {error}", where=self.name, hint=self._hint(error)) from error

    def is_lost(self) -> bool:
        """Whether the current context is dead: after a kernel's fault every call returns its error again.

        Source: CUDA_ERROR_LAUNCH_FAILED and its like in the CUDA Driver API: "the process must be terminated and
        relaunched".
        """
        try:
            self.driver.mem_get_info()
        except self.driver.Error:
            return True
        return False

    def _hint(self, error: Exception) -> str | None:
        return FREE_MEMORY if isinstance(error, self.driver.MemoryError) else None

    def stream(self) -> Any:
        """A new non-blocking stream."""
        return self.driver.Stream(flags=_NON_BLOCKING)

    def event(self) -> Any:
        """A new event with timing. Waiting for it blocks instead of spinning, which leaves the core to other stages."""
        return self.driver.Event(self.driver.event_flags.BLOCKING_SYNC)


def keep_for_ever(owner: object) -> None:
    """Never destroy the object, nor what it refers to, not even when Python ends: adds a reference that stays."""
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(owner))


@cache
def _primary_context(driver: Any) -> Any:
    """The first device's primary context, which TensorRT uses too; all engines share this one object.

    It is retained once per process: pycuda does not release a context for a thread that did not retain it, and on
    another thread it destroys streams and events only if the context object that they were made in is current.
    """
    context = driver.Device(0).retain_primary_context()
    atexit.register(context.detach)
    return context
