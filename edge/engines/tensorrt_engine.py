"""TensorRT as engine, from 8.5 to 11: tensors by name and address, all memory taken once.

Of TensorRT's interface only what is alike from 8.5 to 11 is used, so no version has a branch of its own here.
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

from edge.contract.errors import EngineError, MissingDependency
from edge.engines.cuda_graph import driver_library
from edge.engines.engine import Arrays, TensorSpec, check_inputs
from edge.engines.engine_manifest import read_engine_manifest
from edge.engines.gpu import Gpu
from edge.engines.tensor_buffer import TensorBuffer
from edge.engines.tensorrt_log import Complaints
from edge.engines.tensorrt_plan import Plan

# By name, because tensorrt.nptype of 8.5 asks numpy for types that newer numpy has no more.
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
    """A built engine on the first GPU. See :class:`edge.engines.engine.Engine`.

    Every batch that the engine was built for has a plan of its own, recorded as a CUDA graph where the engine allows;
    a batch between two takes the next larger one, whose further rows hold old inputs and are not read. Runs take no
    memory on the GPU. Each engine has a stream of its own, so those of different stages overlap.

    mapped: let the GPU read and write the host's page-locked memory instead of copying it; None does so on GPUs that
    share the processor's memory. graphs: False launches kernels one by one.
    Raises EngineError where the engine was built for another machine or ONNX file, and
    MissingDependency without TensorRT or pycuda.
    """

    def __init__(self, path: Path, *, mapped: bool | None = None, graphs: bool = True) -> None:
        try:
            import tensorrt as trt
        except ImportError as error:
            raise MissingDependency(
                "tensorrt",
                needed_for=f"running {path.name}",
                install="apt install python3-libnvinfer (JetPack); elsewhere move the .engine away, and the .onnx runs",
                because=error,
            ) from error
        self.device_s: float | None = None
        self._path, self._gpu = path, Gpu()
        self._mapped = self._gpu.integrated if mapped is None else mapped
        self._manifest = read_engine_manifest(
            path,
            tensorrt=trt.__version__,
            gpu=self._gpu.name,
            compute_capability=self._gpu.compute_capability,
        )
        with self._gpu.current(), ExitStack() as taken:
            self._load(trt)
            self._make_plans()
            self._take_memory(taken)
            self._no_graph = "not asked for" if not graphs else self._record()
            self._taken = taken.pop_all()

    def describe(self) -> str:
        graph = f"no CUDA graph ({self._no_graph})" if self._no_graph else "CUDA graph"
        memory = "zero-copy" if self._mapped else "page-locked"
        engine = f"TensorRT {self._manifest.tensorrt}, {self._manifest.gpu}, {self._manifest.precision}"
        return f"{engine}, {memory}, {graph}"

    def run(self, inputs: Arrays) -> dict[str, NDArray[Any]]:
        check_inputs(self.inputs, inputs, str(self._path))
        rows, plan = self._plan_for(inputs)
        with self._gpu.current():
            for name, array in inputs.items():
                buffer = self._buffers[name]
                buffer.host[: array.size].reshape(array.shape)[...] = array
                buffer.upload(array.size, self._stream)
            self._started.record(self._stream)
            plan.launch()
            self._ended.record(self._stream)
            shapes = {s.name: _with_rows(s, plan, rows) for s in self.outputs}
            for name, shape in shapes.items():
                self._buffers[name].download(math.prod(shape), self._stream)
            self._there.record(self._stream)
            self._there.synchronize()
            self.device_s = self._ended.time_since(self._started) / 1000
        # The page-locked memory is overwritten by the next run.
        return {n: self._buffers[n].host[: math.prod(shape)].reshape(shape).copy() for n, shape in shapes.items()}

    def close(self) -> None:
        """Give the GPU's memory back."""
        with self._gpu.current():
            self._stream.synchronize()
            self._taken.close()
            del self._plans, self._buffers, self._started, self._ended, self._there, self._stream
            # In this order: a runtime must outlive its engines.
            del self._engine, self._runtime

    def _load(self, trt: Any) -> None:
        self._said = Complaints(trt)
        try:
            self._runtime = trt.Runtime(self._said.logger)
        except TypeError as error:
            # pybind11's words for "the factory gave none".
            without = "it finds no NVIDIA driver that is new enough for it"
            raise EngineError(f"TensorRT {trt.__version__} does not start: {self._said.text(without)}") from error
        if (core := self._manifest.options.get("dla_core")) is not None:
            # An engine does not remember which core it was built for: untold, all would share the first.
            self._runtime.DLA_core = core
        self._engine = self._runtime.deserialize_cuda_engine(self._path.read_bytes())
        if self._engine is None:
            raise EngineError(
                f"TensorRT refuses the engine: {self._said.text('it gives no reason')}",
                where=self._path,
                hint="build it again on this machine",
            )
        names = [self._engine.get_tensor_name(i) for i in range(self._engine.num_io_tensors)]
        takes = [n for n in names if self._engine.get_tensor_mode(n) == trt.TensorIOMode.INPUT]
        self.inputs = tuple(self._spec(n) for n in takes)
        self.outputs = tuple(self._spec(n) for n in names if n not in takes)

    def _make_plans(self) -> None:
        self._stream = self._gpu.stream()
        self._started, self._ended, self._there = (self._gpu.event() for _ in range(3))
        plans = [
            Plan(
                self._engine,
                profile,
                batch,
                (*self.inputs, *self.outputs),
                inputs=len(self.inputs),
                stream=self._stream.handle,
                path=self._path,
                said=self._said,
            )
            for profile, batch in enumerate(self._batches())
        ]
        self._plans = sorted(plans, key=lambda plan: plan.batch)
        most = self._plans[-1].batch
        self.inputs = tuple(replace(s, max_batch=most) if None in s.shape else s for s in self.inputs)
        if any(s.shape[:1] == (None,) for s in self.inputs):
            self.outputs = tuple(_with_free_batch(s, self._plans) for s in self.outputs)

    def _take_memory(self, taken: ExitStack) -> None:
        """taken: gives back, last first, what was taken until something failed, or until :meth:`close`."""
        self._buffers: dict[str, TensorBuffer] = {}
        for spec in (*self.inputs, *self.outputs):
            size = max(math.prod(plan.shapes[spec.name]) for plan in self._plans)
            self._buffers[spec.name] = TensorBuffer(self._gpu, size, spec.dtype, mapped=self._mapped)
            taken.callback(self._buffers[spec.name].free)
        for plan in self._plans:
            # Before the buffers go: a graph works on them.
            taken.callback(plan.close)
            plan.bind({name: buffer.address for name, buffer in self._buffers.items()})

    def _record(self) -> str:
        """Record every plan as a CUDA graph; why that cannot be done, empty where it was.

        A recording is kept only if its answers are those of the kernels launched one by one: where a device takes
        no part in recording, a graph would leave the answers of the run before.
        """
        try:
            library = driver_library()
            for plan in self._plans:
                pattern = {s.name: _pattern(s.dtype, plan.shapes[s.name]) for s in self.inputs}
                # Also the run that has to come before: TensorRT does in it what cannot be recorded.
                wanted = self.run(pattern)
                self.run({name: np.zeros_like(array) for name, array in pattern.items()})
                plan.record(library)
                given = self.run(pattern)
                if not all(_alike(wanted[s.name], given[s.name]) for s in self.outputs):
                    raise EngineError("its answers would not be those of the kernels one by one")
        except EngineError as error:
            self._stream.synchronize()
            for plan in self._plans:
                plan.forget_graph()
            return error.what
        finally:
            self.device_s = None
            self._said.clear()
        return ""

    def _batches(self) -> list[int]:
        """The batch of each optimisation profile; the largest where it has a range."""
        free = [s for s in self.inputs if None in s.shape]
        for spec in free:
            if None in spec.shape[1:]:
                raise EngineError(f"input {spec.name} {spec.shape} has a free axis besides the batch", where=self._path)
        if not free:
            return [1]
        profiles = range(self._engine.num_optimization_profiles)
        # A profile's shapes are its least, its usual and its greatest.
        return [min(int(self._engine.get_tensor_profile_shape(s.name, p)[2][0]) for s in free) for p in profiles]

    def _plan_for(self, inputs: Arrays) -> tuple[int, Plan]:
        """Rows of this run, and the plan of the least batch that takes them."""
        rows = {len(inputs[s.name]) for s in self.inputs if s.shape[:1] == (None,)} or {1}
        count, most = max(rows), self._plans[-1].batch
        if len(rows) > 1 or not 1 <= count <= most:
            given = " and ".join(map(str, sorted(rows)))
            raise EngineError(
                f"{given} in one run, which is outside the engine's 1 to {most}",
                where=self._path,
                hint="build it with a larger --max_batch",
            )
        return count, next(plan for plan in self._plans if plan.batch >= count)

    def _spec(self, name: str) -> TensorSpec:
        shape = tuple(None if d < 0 else int(d) for d in self._engine.get_tensor_shape(name))
        kind = self._engine.get_tensor_dtype(name).name
        if kind not in _DTYPES:
            raise EngineError(f"tensor {name} is {kind}, which is not served", where=self._path)
        return TensorSpec(name, shape, np.dtype(_DTYPES[kind]))


def _with_free_batch(spec: TensorSpec, plans: Sequence[Plan]) -> TensorSpec:
    """The output with its batch axis free, if its rows are those of the batch in every plan.

    The engine itself need not say so: TensorRT 8.5 gives an output a size where every profile has but one, as the only
    one of a DLA core has.
    """
    rows = [plan.shapes[spec.name][:1] == (plan.batch,) for plan in plans]
    return replace(spec, shape=(None, *spec.shape[1:])) if all(rows) else spec


def _with_rows(spec: TensorSpec, plan: Plan, rows: int) -> tuple[int, ...]:
    shape = plan.shapes[spec.name]
    return (rows, *shape[1:]) if spec.shape[:1] == (None,) else shape


def _pattern(dtype: np.dtype[Any], shape: tuple[int, ...]) -> NDArray[Any]:
    """Values that no run before had, in a range that any network takes; whole numbers may be indices."""
    ramp = np.resize(np.arange(251), shape)
    if dtype.kind == "f":
        return (ramp / 251 - 0.5).astype(dtype)
    return (ramp if dtype == np.uint8 else ramp % 2).astype(dtype)


def _alike(wanted: NDArray[Any], given: NDArray[Any]) -> bool:
    finite = wanted[np.isfinite(wanted)].astype(np.float64)
    return np.allclose(wanted, given, rtol=1e-3, atol=1e-3 * np.abs(finite).max(initial=0), equal_nan=True)
