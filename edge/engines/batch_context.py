"""A TensorRT execution context for one batch size, whose shapes and addresses never change."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from edge.contract.errors import EngineError
from edge.engines.cuda_graph import CudaGraph
from edge.engines.engine import TensorSpec
from edge.engines.gpu import FREE_MEMORY
from edge.engines.tensorrt_log import ErrorLog

_REBUILD = "build it again on this machine"


class BatchContext:
    """An execution context for one batch size, optionally captured as a CUDA graph.

    batch: size of every dynamic batch axis. shapes: of every tensor by name, for that batch.
    profile: index of the optimisation profile for that batch. stream: the CUstream that everything runs on.
    path, errors: for error messages.
    Each batch size has its own context, because a captured CUDA graph holds only for the context's shapes at capture
    time. Each context has its own profile, because up to TensorRT 8.6 no two contexts may share one.
    """

    def __init__(
        self,
        engine: Any,
        profile: int,
        batch: int,
        inputs: Sequence[TensorSpec],
        outputs: Sequence[TensorSpec],
        stream: int,
        path: Path,
        errors: ErrorLog,
    ) -> None:
        self.batch = batch
        self._path, self._stream, self._errors = path, stream, errors
        self._graph: CudaGraph | None = None
        self._context = engine.create_execution_context()
        if self._context is None:
            raise self._refused("prepare the engine", hint=FREE_MEMORY)
        if profile:  # the first context starts with the first profile
            try:
                self._context.set_optimization_profile_async(profile, self._stream)
            except RuntimeError as error:  # instead of returning False
                raise self._refused("prepare the engine", hint=FREE_MEMORY) from error
        for spec in inputs:
            shape = tuple(batch if length is None else length for length in spec.shape)
            if None in spec.shape and not self._context.set_input_shape(spec.name, shape):
                raise self._refused(f"use {spec.name} of shape {shape}", hint=_REBUILD)
        self.shapes = {t.name: tuple(self._context.get_tensor_shape(t.name)) for t in (*inputs, *outputs)}
        for name, shape in self.shapes.items():
            if min(shape, default=1) < 0:
                raise EngineError(f"the shape of {name} depends on its data, which is not supported", where=path)

    def bind(self, addresses: Mapping[str, int]) -> None:
        """Set the device address of every tensor, by name."""
        for name, address in addresses.items():
            if not self._context.set_tensor_address(name, address):
                raise self._refused(f"use memory for {name}", hint=_REBUILD)

    def execute(self) -> None:
        """Enqueue the kernels one by one."""
        if not self._context.execute_async_v3(self._stream):
            raise self._refused("run it", hint=_REBUILD)

    def capture(self, library: Any) -> None:
        """Capture the run as a CUDA graph, which :meth:`launch` then uses. Raises EngineError if that is impossible.

        :meth:`execute` must have run before: TensorRT does work in a shape's first run that cannot be captured.
        """
        self._graph = CudaGraph(library, self._stream, self.execute)

    def discard_graph(self) -> None:
        """Launch the kernels one by one again. Nothing may be running."""
        if self._graph is not None:
            self._graph.close()
            self._graph = None

    def launch(self) -> None:
        """Enqueue a run: the CUDA graph if there is one, else the kernels one by one."""
        if self._graph is not None:
            self._graph.launch()
        else:
            self.execute()

    def close(self) -> None:
        """Destroy graph and context. Must come before the tensors' memory is freed."""
        self.discard_graph()
        del self._context

    def _refused(self, what: str, hint: str) -> EngineError:
        return self._errors.refused(f"cannot {what}", self._path, hint)
