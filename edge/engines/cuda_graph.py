"""CUDA graphs: capture the kernels of one run once, and launch them as one.

A small network is some tens of kernels of a few microseconds each; launching them one by one costs the CPU more than
running them costs the GPU. No released pycuda (up to 2026.1) supports graphs, so the eight functions needed are called
in the driver's own library, ``libcuda.so.1``. All of them exist from CUDA 11.4 (JetPack 5) on. Everything else in the
project uses pycuda.

Source: "Graph Management" and "Stream Management" in the CUDA Driver API.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any

from edge.contract.errors import EngineError

_THREAD_LOCAL = 1
"""CU_STREAM_CAPTURE_MODE_THREAD_LOCAL: calls that other threads (stages) make meanwhile do not break the capture."""

_HANDLE, _OUT = ctypes.c_void_p, ctypes.POINTER(ctypes.c_void_p)
_FUNCTIONS: dict[str, tuple[Any, ...]] = {
    "cuStreamBeginCapture_v2": (_HANDLE, ctypes.c_int),
    "cuStreamEndCapture": (_HANDLE, _OUT),
    "cuGraphInstantiateWithFlags": (_OUT, _HANDLE, ctypes.c_ulonglong),
    "cuGraphUpload": (_HANDLE, _HANDLE),
    "cuGraphLaunch": (_HANDLE, _HANDLE),
    "cuGraphExecDestroy": (_HANDLE,),
    "cuGraphDestroy": (_HANDLE,),
    "cuGetErrorName": (ctypes.c_int, ctypes.POINTER(ctypes.c_char_p)),
}


def driver_library(name: str = "libcuda.so.1") -> Any:
    """The driver's library with typed functions. Raises EngineError if it, or one of them, is missing."""
    try:
        library = ctypes.CDLL(name)
        for function_name, arguments in _FUNCTIONS.items():
            function = getattr(library, function_name)
            function.argtypes, function.restype = arguments, ctypes.c_int
    except (OSError, AttributeError) as error:
        raise EngineError(f"this driver has no CUDA graphs: {error}") from error
    return library


class CudaGraph:
    """A captured graph of what ``enqueue`` puts on ``stream``. The memory and context that it uses must outlive it.

    library: see :func:`driver_library`. stream: a CUstream that is idle and is not the default stream.
    Raises EngineError if the work cannot be captured; then nothing has run, and the stream is as before.
    """

    def __init__(self, library: Any, stream: int, enqueue: Callable[[], None]) -> None:
        self._library, self._stream = library, stream
        graph, self._exec = ctypes.c_void_p(), ctypes.c_void_p()
        self._call("cuStreamBeginCapture_v2", stream, _THREAD_LOCAL)
        try:
            enqueue()
        except BaseException:
            # An invalidated capture must be ended too: until then the stream cannot be used.
            library.cuStreamEndCapture(stream, ctypes.byref(graph))
            if graph.value:
                library.cuGraphDestroy(graph)
            raise
        self._call("cuStreamEndCapture", stream, ctypes.byref(graph))
        try:
            self._call("cuGraphInstantiateWithFlags", ctypes.byref(self._exec), graph, 0)
        finally:
            library.cuGraphDestroy(graph)
        try:
            # Allocates now what the first launch would allocate.
            self._call("cuGraphUpload", self._exec, stream)
        except EngineError:
            self.close()
            raise

    def launch(self) -> None:
        """Enqueue the whole graph on the stream. Raises EngineError if the driver refuses."""
        self._call("cuGraphLaunch", self._exec, self._stream)

    def close(self) -> None:
        """Destroy the graph; it must not be running."""
        self._library.cuGraphExecDestroy(self._exec)

    def _call(self, name: str, *arguments: Any) -> None:
        status = getattr(self._library, name)(*arguments)
        if status != 0:
            text = ctypes.c_char_p()
            self._library.cuGetErrorName(status, ctypes.byref(text))
            raise EngineError(f"{name}: {(text.value or b'unknown error').decode()} ({status})")
