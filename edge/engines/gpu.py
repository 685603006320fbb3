"""The GPU through pycuda: identity, context, streams and events."""

from __future__ import annotations

import atexit
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

from edge.contract.errors import EngineError, MissingDependency

_NON_BLOCKING = 1
"""CU_STREAM_NON_BLOCKING: does not synchronise with the default stream, which cannot be captured."""

_BUILD_AGAIN = "build it for this machine's CUDA: pip install --force-reinstall --no-cache-dir pycuda"
_NO_DRIVER = "engines need an NVIDIA GPU (in a container: --runtime nvidia); on a laptop run the .onnx file"

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
            raise EngineError(f"no usable NVIDIA GPU: {error}", hint=_NO_DRIVER) from error

    @contextmanager
    def current(self) -> Iterator[None]:
        """Make the context current on this thread; engines may be opened and run on different threads.

        Turns the driver's errors inside the block, such as out of memory or a failed kernel, into EngineError.
        """
        try:
            self._context.push()
            try:
                yield
            finally:
                self._context.pop()
        except self.driver.Error as error:
            raise EngineError(f"GPU error: {error}", where=self.name) from error

    def stream(self) -> Any:
        """A new non-blocking stream."""
        return self.driver.Stream(flags=_NON_BLOCKING)

    def event(self) -> Any:
        """A new event with timing. Waiting for it blocks instead of spinning, which leaves the core to other stages."""
        return self.driver.Event(self.driver.event_flags.BLOCKING_SYNC)


@cache
def _primary_context(driver: Any) -> Any:
    """The first device's primary context, which TensorRT uses too; all engines share this one object.

    It is retained once per process: pycuda does not release a context for a thread that did not retain it, and on
    another thread it destroys streams and events only if the context object that they were made in is current.
    """
    context = driver.Device(0).retain_primary_context()
    atexit.register(context.detach)
    return context
