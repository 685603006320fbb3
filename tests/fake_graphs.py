"""A fake of the driver's library for :mod:`edge.engines.cuda_graph`: captures streams of a fake GPU."""

from typing import Any

from fake_cuda import INVALIDATED, UNSUPPORTED, FakeGpu, Misuse

NAMES = {INVALIDATED: b"CUDA_ERROR_STREAM_CAPTURE_INVALIDATED", UNSUPPORTED: b"CUDA_ERROR_NOT_SUPPORTED"}


class FakeLibrary:
    """Out parameters are ``ctypes.byref`` of ``c_void_p``, as for the real library; every call returns a CUresult."""

    def __init__(self, gpu: FakeGpu) -> None:
        self._gpu = gpu

    def cuStreamBeginCapture_v2(self, stream: int, mode: int) -> int:
        self._gpu.needs_context()
        if self._gpu.records == "refused":
            return UNSUPPORTED
        if mode != 1:
            raise Misuse("other stages' calls would break the recording")
        queue = self._gpu.streams[stream]
        if queue.waiting:
            raise Misuse("a recording begins while work is under way, which may not be repeated")
        queue.recorded, queue.invalid = [], False
        return 0

    def cuStreamEndCapture(self, stream: int, graph: Any) -> int:
        queue = self._gpu.streams[stream]
        if queue.recorded is None:
            raise Misuse("a recording is ended that has not begun")
        work, queue.recorded = queue.recorded, None
        if queue.invalid:
            graph._obj.value = None
            return INVALIDATED
        graph._obj.value = self._kept(work)
        return 0

    def cuGraphInstantiateWithFlags(self, executable: Any, graph: Any, flags: int) -> int:
        executable._obj.value = self._kept(list(self._graph(graph)))
        return 0

    def cuGraphUpload(self, executable: Any, stream: int) -> int:
        self._graph(executable)
        return 0

    def cuGraphLaunch(self, executable: Any, stream: int) -> int:
        work = self._graph(executable)
        for kernel in work:
            self._gpu.streams[stream].add(kernel)
        self._gpu.launches += 1
        return 0

    def cuGraphDestroy(self, graph: Any) -> int:
        self._graph(graph)
        del self._gpu.graphs[graph.value]
        return 0

    cuGraphExecDestroy = cuGraphDestroy

    def cuGetErrorName(self, status: int, text: Any) -> int:
        text._obj.value = NAMES[status]
        return 0

    def _kept(self, work: list) -> int:
        handle = 0x6600_0000_0000 + next(self._gpu.numbers)
        self._gpu.graphs[handle] = work
        return handle

    def _graph(self, handle: Any) -> list:
        self._gpu.needs_context()
        if handle.value not in self._gpu.graphs:
            raise Misuse("a graph is used that is not there, or no more")
        return self._gpu.graphs[handle.value]
