"""One batch of a TensorRT engine, made ready: an execution context whose shapes and addresses never change again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from edge.contract.errors import EngineError
from edge.engines.cuda_graph import CudaGraph
from edge.engines.engine import TensorSpec
from edge.engines.tensorrt_log import Complaints


class Plan:
    """An execution context for one batch.

    batch: rows of every tensor with a free batch axis. shapes: of every tensor by name, with that batch.
    profile: the optimisation profile that is for that batch. tensors: the engine's, its ``inputs`` inputs first.
    stream: a CUstream, on which all of it runs. path, said: for errors.
    One context a batch, because what is recorded as a CUDA graph holds for the context's shapes at that time; one
    optimisation profile a context, because up to TensorRT 8.6 no two contexts may share one.
    """

    def __init__(
        self,
        engine: Any,
        profile: int,
        batch: int,
        tensors: Sequence[TensorSpec],
        *,
        inputs: int,
        stream: int,
        path: Path,
        said: Complaints,
    ) -> None:
        self.batch = batch
        self._path, self._stream, self._said = path, stream, said
        self._graph: CudaGraph | None = None
        self._context = engine.create_execution_context()
        # The first context has the first profile from the start.
        if self._context is None or (
            profile and not self._context.set_optimization_profile_async(profile, self._stream)
        ):
            raise self._refused("prepare the engine", hint="free memory, or build it with a smaller --max_batch")
        for spec in tensors[:inputs]:
            shape = tuple(batch if length is None else length for length in spec.shape)
            if None in spec.shape and not self._context.set_input_shape(spec.name, shape):
                raise self._refused(f"take {spec.name} as {shape}", hint=_REBUILD)
        self.shapes = {t.name: tuple(self._context.get_tensor_shape(t.name)) for t in tensors}
        for name, shape in self.shapes.items():
            if min(shape, default=1) < 0:
                raise EngineError(f"the size of {name} depends on what it holds, which is not served", where=path)

    def bind(self, addresses: Mapping[str, int]) -> None:
        """Where every tensor lies on the GPU, by name."""
        for name, address in addresses.items():
            if not self._context.set_tensor_address(name, address):
                raise self._refused(f"take memory for {name}", hint=_REBUILD)

    def execute(self) -> None:
        """Enqueue the kernels one by one."""
        if not self._context.execute_async_v3(self._stream):
            raise self._refused("run it", hint=_REBUILD)

    def record(self, library: Any) -> None:
        """From now on :meth:`launch` is one CUDA graph. Raises EngineError where the engine cannot be recorded.

        It must have been executed before: TensorRT leaves work that cannot be recorded to a shape's first run.
        """
        self._graph = CudaGraph(library, self._stream, self.execute)

    def forget_graph(self) -> None:
        """Back to launching the kernels one by one; nothing may be under way."""
        if self._graph is not None:
            self._graph.close()
            self._graph = None

    def launch(self) -> None:
        """Enqueue the run in the fastest way there is."""
        if self._graph is not None:
            self._graph.launch()
        else:
            self.execute()

    def close(self) -> None:
        """Graph and context; before the memory that they use."""
        self.forget_graph()
        del self._context

    def _refused(self, what: str, hint: str) -> EngineError:
        return EngineError(
            f"TensorRT does not {what}: {self._said.text('it gives no reason')}", where=self._path, hint=hint
        )


_REBUILD = "build it again on this machine"
