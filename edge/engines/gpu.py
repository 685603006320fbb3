"""The GPU as pycuda shows it: its identity, its memory, a stream."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from edge.contract.errors import EngineError, MissingDependency


class Gpu:
    """The first CUDA device.

    driver: the module ``pycuda.driver``. name: for instance "Orin"; compute_capability: "8.7".
    Raises MissingDependency without pycuda, EngineError without a driver or a GPU.
    """

    def __init__(self) -> None:
        try:
            import pycuda.driver as driver
        except ImportError as error:
            # pycuda is there, but the driver's library is not: another cause, another remedy.
            if "libcuda" in str(error):
                raise EngineError("no NVIDIA driver on this machine", hint=_NO_DRIVER) from error
            raise MissingDependency("pycuda", needed_for="running a TensorRT engine", install="see docker/") from error
        self.driver: Any = driver
        try:
            driver.init()
            device = driver.Device(0)
        except driver.Error as error:
            raise EngineError(f"no usable NVIDIA GPU: {error}", hint=_NO_DRIVER) from error
        self.name: str = device.name()
        self.compute_capability = ".".join(str(n) for n in device.compute_capability())
        # The primary context is the one that TensorRT itself uses.
        self._context = device.retain_primary_context()

    @contextmanager
    def current(self) -> Iterator[None]:
        """Within, this thread talks to the GPU; engines may be opened and run on different threads."""
        self._context.push()
        try:
            yield
        finally:
            self._context.pop()

    def close(self) -> None:
        self._context.detach()


_NO_DRIVER = "engines need an NVIDIA GPU (in a container: --runtime nvidia); on a laptop run the .onnx file"
