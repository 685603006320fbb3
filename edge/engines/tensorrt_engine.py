"""TensorRT as engine, from 8.5 to 11: tensors by name and address, buffers taken once."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.contract.errors import EngineError, MissingDependency
from edge.engines.engine import Arrays, TensorSpec, check_inputs
from edge.engines.engine_manifest import checked_manifest
from edge.engines.gpu import Gpu

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


@dataclass(frozen=True)
class _Buffer:
    """host: page-locked and flat, as long as the largest shape needs; device: the same on the GPU."""

    host: NDArray[Any]
    device: Any


class TensorRtEngine:
    """A built engine on the first GPU. See :class:`edge.engines.engine.Engine`.

    Raises EngineError where the engine was built for another machine or ONNX file, and
    MissingDependency without TensorRT or pycuda.
    """

    def __init__(self, path: Path) -> None:
        try:
            import tensorrt as trt
        except ImportError as error:
            raise MissingDependency(
                "tensorrt", needed_for=f"running {path.name}", install="apt install python3-libnvinfer (JetPack)"
            ) from error
        self._path = path
        self._gpu = Gpu()
        self._manifest = checked_manifest(
            path,
            tensorrt=trt.__version__,
            gpu=self._gpu.name,
            compute_capability=self._gpu.compute_capability,
        )
        with self._gpu.current():
            # The logger and the runtime must outlive the engine.
            self._logger = trt.Logger(trt.Logger.ERROR)
            self._runtime = trt.Runtime(self._logger)
            self._engine = self._runtime.deserialize_cuda_engine(path.read_bytes())
            if self._engine is None:
                raise EngineError("TensorRT refuses the engine", where=path, hint="build it again on this machine")
            self._context = self._engine.create_execution_context()
            names = [self._engine.get_tensor_name(i) for i in range(self._engine.num_io_tensors)]
            takes = [n for n in names if self._engine.get_tensor_mode(n) == trt.TensorIOMode.INPUT]
            self.inputs = tuple(self._spec(n) for n in takes)
            self.outputs = tuple(self._spec(n) for n in names if n not in takes)
            self._stream = self._gpu.driver.Stream()
            self._buffers = self._take_buffers()

    def describe(self) -> str:
        return f"TensorRT {self._manifest.tensorrt}, {self._manifest.gpu}, {self._manifest.precision}"

    def run(self, inputs: Arrays) -> dict[str, NDArray[Any]]:
        check_inputs(self.inputs, inputs, str(self._path))
        driver = self._gpu.driver
        with self._gpu.current():
            for name, array in inputs.items():
                if not self._context.set_input_shape(name, array.shape):
                    raise EngineError(f"input {name} of shape {array.shape} is outside the engine's", where=self._path)
                buffer = self._buffers[name]
                buffer.host[: array.size] = array.ravel()
                driver.memcpy_htod_async(buffer.device, buffer.host[: array.size], self._stream)
            if not self._context.execute_async_v3(self._stream.handle):
                raise EngineError("TensorRT could not run it", where=self._path, hint="see its message above")
            filled = {s.name: self._fetch(s.name) for s in self.outputs}
            self._stream.synchronize()
        # The page-locked buffers are overwritten by the next run.
        return {name: array.copy() for name, array in filled.items()}

    def close(self) -> None:
        """Give the GPU's memory back."""
        with self._gpu.current():
            for buffer in self._buffers.values():
                buffer.device.free()
            del self._buffers, self._context, self._engine, self._runtime, self._stream
        self._gpu.close()

    def _spec(self, name: str) -> TensorSpec:
        shape = tuple(None if d < 0 else int(d) for d in self._engine.get_tensor_shape(name))
        kind = self._engine.get_tensor_dtype(name).name
        if kind not in _DTYPES:
            raise EngineError(f"tensor {name} is {kind}, which is not served", where=self._path)
        return TensorSpec(name, shape, np.dtype(_DTYPES[kind]))

    def _take_buffers(self) -> dict[str, _Buffer]:
        driver, buffers = self._gpu.driver, {}
        for spec in self.inputs:
            shape = spec.shape
            if None in shape:
                shape = tuple(self._engine.get_tensor_profile_shape(spec.name, 0)[2])  # minimum, optimum, maximum
            self._context.set_input_shape(spec.name, shape)
        for spec in (*self.inputs, *self.outputs):
            host = driver.pagelocked_empty(math.prod(self._context.get_tensor_shape(spec.name)), spec.dtype)
            buffers[spec.name] = _Buffer(host, driver.mem_alloc(max(host.nbytes, 1)))
            self._context.set_tensor_address(spec.name, int(buffers[spec.name].device))
        return buffers

    def _fetch(self, name: str) -> NDArray[Any]:
        shape = tuple(self._context.get_tensor_shape(name))
        buffer = self._buffers[name]
        host = buffer.host[: math.prod(shape)]
        self._gpu.driver.memcpy_dtoh_async(host, buffer.device, self._stream)
        return host.reshape(shape)
