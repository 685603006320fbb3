"""CUDA graphs: the kernels of one run, recorded once and launched as one.

A small network is some tens of kernels of a few microseconds each, and launching them one by one costs the processor
more than running them costs the GPU. No released pycuda (up to 2026.1) knows graphs, so the eight calls that are
needed go to the driver's own library, ``libcuda.so.1``. All are there from CUDA 11.4, JetPack 5, on. Nothing else in
the project passes pycuda by.

Source: "Graph Management" and "Stream Management" in the CUDA Driver API.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any

from edge.contract.errors import EngineError

_THREAD_LOCAL = 1
"""CU_STREAM_CAPTURE_MODE_THREAD_LOCAL: what other threads, other stages, do meanwhile does not break the recording."""

_HANDLE, _OUT = ctypes.c_void_p, ctypes.POINTER(ctypes.c_void_p)
_CALLS: dict[str, tuple[Any, ...]] = {
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
    """The driver's library with the types of the calls. EngineError where it, or one of them, is missing."""
    try:
        library = ctypes.CDLL(name)
        for call, arguments in _CALLS.items():
            function = getattr(library, call)
            function.argtypes, function.restype = arguments, ctypes.c_int
    except (OSError, AttributeError) as error:
        raise EngineError(f"this driver has no CUDA graphs: {error}") from error
    return library


class CudaGraph:
    """What ``enqueue`` puts on ``stream``, recorded. The memory and the context it works on must outlive it.

    library: see :func:`driver_library`. stream: a CUstream, not the default one, on which nothing is under way.
    Raises EngineError where the work cannot be recorded; then the stream is as before, and nothing has run.
    """

    def __init__(self, library: Any, stream: int, enqueue: Callable[[], None]) -> None:
        self._library, self._stream = library, stream
        graph, self._exec = ctypes.c_void_p(), ctypes.c_void_p()
        self._call("cuStreamBeginCapture_v2", stream, _THREAD_LOCAL)
        try:
            enqueue()
        except BaseException:
            # A recording that has gone wrong must be ended too: until then the stream is of no use.
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
            # What the first launch would take, memory included, is taken now.
            self._call("cuGraphUpload", self._exec, stream)
        except EngineError:
            self.close()
            raise

    def launch(self) -> None:
        """Enqueue all of it on the stream. Raises EngineError where the driver refuses."""
        self._call("cuGraphLaunch", self._exec, self._stream)

    def close(self) -> None:
        """Give back what the driver keeps of it; nothing of it may be under way."""
        self._library.cuGraphExecDestroy(self._exec)

    def _call(self, name: str, *arguments: Any) -> None:
        status = getattr(self._library, name)(*arguments)
        if status != 0:
            text = ctypes.c_char_p()
            self._library.cuGetErrorName(status, ctypes.byref(text))
            raise EngineError(f"{name}: {(text.value or b'unknown error').decode()} ({status})")
