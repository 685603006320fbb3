"""TensorRT 8.5 to 11 as an engine: tensors by name and address, all memory allocated once.

Only the part of TensorRT's API that is the same from 8.5 to 11 is used, so there is no version branch.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.contract.errors import EngineError, importing
from edge.engines.batch_context import BatchContext
from edge.engines.cuda_graph import driver_library
from edge.engines.engine import Arrays, TensorSpec, check_arrays
from edge.engines.engine_manifest import read_engine_manifest
from edge.engines.gpu import Gpu, keep_for_ever
from edge.engines.off_main_thread import off_main_thread
from edge.engines.tensor_buffer import TensorBuffer
from edge.engines.tensorrt_log import ErrorLog

# By name, because tensorrt.nptype of 8.5 uses numpy types that newer numpy has removed.
_DTYPES = {
    "FLOAT": np.float32,
    "HALF": np.float16,
    "INT8": np.int8,
    "INT32": np.int32,
    "INT64": np.int64,
    "UINT8": np.uint8,
    "BOOL": np.bool_,
}


class TensorRtEngine:
    """A serialised engine on the first GPU. See :class:`edge.engines.engine.Engine`.

    Each batch size that the engine was built for has its own execution context, captured as a CUDA graph if possible.
    Any other batch uses the next larger one, whose extra rows hold old inputs and are not read. Runs allocate no GPU
    memory. Each engine has its own stream, so engines of different stages overlap.

    mapped: let the GPU access the host's page-locked memory instead of copying; by default on GPUs that share the
    processor's memory. graphs: False launches the kernels one by one.
    Raises EngineError if the engine was built for another machine or ONNX file, MissingDependency without TensorRT or
    pycuda.
    """

    def __init__(self, path: Path, *, mapped: bool | None = None, graphs: bool = True) -> None:
        install = "apt install python3-libnvinfer (JetPack); elsewhere remove the .engine, to use the .onnx"
        with importing("tensorrt", needed_for=f"running {path.name}", install=install):
            import tensorrt as trt
        self.device_s: float | None = None
        self._path, self._gpu = path, Gpu()
        self._mapped = self._gpu.integrated if mapped is None else mapped
        self._manifest = read_engine_manifest(path, trt.__version__, self._gpu.name, self._gpu.compute_capability)
        self._resources = ExitStack()
        off_main_thread(lambda: self._open(trt, graphs))

    def describe(self) -> str:
        graph = f"no CUDA graph ({self._no_graph_reason})" if self._no_graph_reason else "CUDA graph"
        memory = "zero-copy" if self._mapped else "page-locked"
        engine = f"TensorRT {self._manifest.tensorrt}, {self._manifest.gpu}, {self._manifest.precision}"
        return f"{engine}, {memory}, {graph}"

    def run(self, inputs: Arrays) -> dict[str, NDArray[Any]]:
        check_arrays(self.inputs, inputs, str(self._path))
        batch, context = self._context_for(inputs)
        with self._gpu.current(self, self._path):
            for name, array in inputs.items():
                buffer = self._buffers[name]
                buffer.host[: array.size].reshape(array.shape)[...] = array
                buffer.upload(array.size)
            self._started.record(self._stream)
            context.launch()
            self._ended.record(self._stream)
            shapes = {s.name: _output_shape(s, context, batch) for s in self.outputs}
            for name, shape in shapes.items():
                self._buffers[name].download(math.prod(shape))
            self._downloaded.record(self._stream)
            self._downloaded.synchronize()
            self.device_s = self._ended.time_since(self._started) / 1000
        # Copies, because the next run overwrites the page-locked memory.
        return {n: self._buffers[n].host[: math.prod(shape)].reshape(shape).copy() for n, shape in shapes.items()}

    def close(self) -> None:
        """Free the GPU's memory, unless the GPU is lost."""
        with self._gpu.current(self, self._path):
            if self._gpu.is_lost():
                keep_for_ever(self)
                return
            self._resources.close()
            # The latest first: a runtime must outlive its engines.
            while vars(self):
                vars(self).popitem()

    def _open(self, trt: Any, graphs: bool) -> None:
        with self._gpu.current(self, self._path):
            try:
                self._deserialise(trt)
                self._create_contexts()
                self._allocate()
                self._no_graph_reason = self._capture_graphs() if graphs else "disabled"
            except BaseException:
                self.close()
                raise

    def _deserialise(self, trt: Any) -> None:
        self._errors = ErrorLog(trt)
        try:
            self._runtime = trt.Runtime(self._errors.logger)
        except TypeError as error:
            # Without a driver TensorRT's factory returns null, which pybind11 reports as a TypeError.
            default = "there is no NVIDIA driver that is new enough"
            raise EngineError(f"TensorRT {trt.__version__} does not start: {self._errors.text(default)}") from error
        if (core := self._manifest.options.get("dla_core")) is not None:
            # An engine does not store its DLA core.
            self._runtime.DLA_core = core
        self._engine = self._runtime.deserialize_cuda_engine(self._path.read_bytes())
        if self._engine is None:
            raise self._errors.refused("refuses the engine", self._path, "build it again on this machine")
        names = [self._engine.get_tensor_name(i) for i in range(self._engine.num_io_tensors)]
        inputs = [n for n in names if self._engine.get_tensor_mode(n) == trt.TensorIOMode.INPUT]
        self.inputs = tuple(self._spec(n) for n in inputs)
        self.outputs = tuple(self._spec(n) for n in names if n not in inputs)

    def _create_contexts(self) -> None:
        self._stream = self._gpu.stream()
        stream = self._stream.handle
        self._started, self._ended, self._downloaded = (self._gpu.event() for _ in range(3))
        self._contexts = [
            BatchContext(self._engine, profile, batch, self.inputs, self.outputs, stream, self._path, self._errors)
            for profile, batch in enumerate(self._profile_batches())
        ]
        max_batch = self._contexts[-1].batch
        self.inputs = tuple(replace(s, max_batch=max_batch) if None in s.shape else s for s in self.inputs)
        if any(s.shape[:1] == (None,) for s in self.inputs):
            self.outputs = tuple(_with_dynamic_batch(s, self._contexts) for s in self.outputs)

    def _allocate(self) -> None:
        """Allocate and bind a buffer for every tensor; ``close`` frees them in reverse order."""
        self._buffers: dict[str, TensorBuffer] = {}
        for spec in (*self.inputs, *self.outputs):
            size = max(math.prod(context.shapes[spec.name]) for context in self._contexts)
            self._buffers[spec.name] = TensorBuffer(self._gpu, self._stream, size, spec.dtype, mapped=self._mapped)
            self._resources.callback(self._buffers[spec.name].free)
        for context in self._contexts:
            # Registered last, so closed before the buffers that its graph uses.
            self._resources.callback(context.close)
            context.bind({name: buffer.address for name, buffer in self._buffers.items()})
        # First of all: work that is still enqueued, as after a failed run, uses graphs, contexts and buffers.
        self._resources.callback(self._stream.synchronize)

    def _capture_graphs(self) -> str:
        """Capture every context as a CUDA graph. Returns why that failed, empty on success.

        Graphs are kept only if their outputs equal those of the kernels launched one by one: work on a device that is
        not captured would be missing from the graph, which would then return the previous run's outputs.
        """
        # Outside the try: an engine that cannot run at all is refused. Also the runs that must precede the captures;
        # see BatchContext.capture.
        patterns = [{s.name: _test_pattern(s.dtype, c.shapes[s.name]) for s in self.inputs} for c in self._contexts]
        expected = [self.run(pattern) for pattern in patterns]
        try:
            library = driver_library()
            for context, pattern, outputs in zip(self._contexts, patterns, expected, strict=True):
                self.run({name: np.zeros_like(array) for name, array in pattern.items()})
                context.capture(library)
                actual = self.run(pattern)
                if not all(_close(outputs[s.name], actual[s.name]) for s in self.outputs):
                    raise EngineError("a captured graph returns other results than a normal run")
        except EngineError as error:
            self._stream.synchronize()
            for context in self._contexts:
                context.discard_graph()
            return error.what
        finally:
            self.device_s = None
            self._errors.clear()
        return ""

    def _profile_batches(self) -> list[int]:
        """The batch of each optimisation profile; it rises from one to the next."""
        dynamic = [s for s in self.inputs if None in s.shape]
        for spec in dynamic:
            if None in spec.shape[1:]:
                raise EngineError(
                    f"input {spec.name} {spec.shape} has a dynamic axis besides the batch", where=self._path
                )
        if not dynamic:
            return [1]
        profiles = range(self._engine.num_optimization_profiles)
        # A profile's shapes are (min, opt, max).
        return [min(int(self._engine.get_tensor_profile_shape(s.name, p)[2][0]) for s in dynamic) for p in profiles]

    def _context_for(self, inputs: Arrays) -> tuple[int, BatchContext]:
        """The batch of this run, and the context of the smallest batch size that holds it."""
        batches = {len(inputs[s.name]) for s in self.inputs if s.shape[:1] == (None,)} or {1}
        batch, max_batch = max(batches), self._contexts[-1].batch
        if len(batches) > 1 or not 1 <= batch <= max_batch:
            given = " and ".join(map(str, sorted(batches)))
            raise EngineError(
                f"{given} in one run, which is outside the engine's 1 to {max_batch}",
                where=self._path,
                hint="build it with a larger --max_batch",
            )
        return batch, next(context for context in self._contexts if context.batch >= batch)

    def _spec(self, name: str) -> TensorSpec:
        shape = tuple(None if d < 0 else int(d) for d in self._engine.get_tensor_shape(name))
        kind = self._engine.get_tensor_dtype(name).name
        if kind not in _DTYPES:
            raise EngineError(f"tensor {name} is {kind}, which is not supported", where=self._path)
        return TensorSpec(name, shape, np.dtype(_DTYPES[kind]))


def _with_dynamic_batch(spec: TensorSpec, contexts: Sequence[BatchContext]) -> TensorSpec:
    """The output with a dynamic batch axis, if its first axis is the batch in every context.

    The engine itself may state a fixed size: TensorRT 8.5 does if every profile has a single shape, as that of a DLA
    engine has.
    """
    is_batch = [context.shapes[spec.name][:1] == (context.batch,) for context in contexts]
    return replace(spec, shape=(None, *spec.shape[1:])) if all(is_batch) else spec


def _output_shape(spec: TensorSpec, context: BatchContext, batch: int) -> tuple[int, ...]:
    shape = context.shapes[spec.name]
    return (batch, *shape[1:]) if spec.shape[:1] == (None,) else shape


def _test_pattern(dtype: np.dtype[Any], shape: tuple[int, ...]) -> NDArray[Any]:
    """Values that differ from zero, in a range that any network takes; integers may be indices, so they stay 0 or 1."""
    ramp = np.resize(np.arange(251), shape)
    if dtype.kind == "f":
        return (ramp / 251 - 0.5).astype(dtype)
    return (ramp if dtype == np.uint8 else ramp % 2).astype(dtype)


def _close(expected: NDArray[Any], actual: NDArray[Any]) -> bool:
    finite = expected[np.isfinite(expected)].astype(np.float64)
    return np.allclose(expected, actual, rtol=1e-3, atol=1e-3 * np.abs(finite).max(initial=0), equal_nan=True)
