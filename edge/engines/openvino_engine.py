"""OpenVINO as an engine for .onnx and .tflite networks on the CPU, in FP32 and INT8."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.contract.errors import EngineError, SkdError, importing
from edge.contract.files import temporary_folder
from edge.engines.engine import Arrays, TensorSpec, check_arrays, describe_cpu_engine, refused_threads
from edge.engines.signal_stack import preserve_signal_stack


class OpenVinoEngine:
    """A .onnx or .tflite file on the CPU. See :class:`edge.engines.engine.Engine`.

    rewrite: returns the bytes to run instead of the file's; the file is read first, which detects damage.
    """

    device_s: float | None = None

    def __init__(self, path: Path, *, threads: int = 0, rewrite: Callable[[Path], bytes] | None = None) -> None:
        needed_for = f"running {path.name} with OpenVINO"
        with importing("openvino", needed_for=needed_for, install="pip install 'skd-edge[openvino]'"):
            # It reports every import to Google Analytics, without asking, unless this package is absent.
            sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
            import openvino
        options = {
            "PERFORMANCE_HINT": "LATENCY",
            "NUM_STREAMS": 1,
            "INFERENCE_NUM_THREADS": threads or os.cpu_count() or 1,
            # By default FP32 networks are computed in bfloat16 on CPUs that support it.
            "INFERENCE_PRECISION_HINT": "f32",
        }
        try:
            core = openvino.Core()
            network = core.read_model(path)
            if rewrite is not None:
                network = _read(core, rewrite(path), path.suffix)
            with preserve_signal_stack():
                compiled = core.compile_model(network, "CPU", options)
        except SkdError:
            raise
        except Exception as error:  # RuntimeError, or a class whose module differs between versions
            if no_threads := refused_threads(error, "OpenVINO", path):
                raise no_threads from error
            reason = (str(error).strip().splitlines() or [type(error).__name__])[-1]
            raise EngineError(
                f"OpenVINO cannot load it: {reason}", where=path, hint="the file is damaged, or choose engine auto"
            ) from error
        self._path, self._threads = path, threads
        self._version = openvino.__version__.partition("-")[0]
        self._request = compiled.create_infer_request()
        self.inputs = tuple(_spec(port, path) for port in compiled.inputs)
        self.outputs = tuple(_spec(port, path) for port in compiled.outputs)
        self._index = {spec.name: index for index, spec in enumerate(self.inputs)}

    def describe(self) -> str:
        return describe_cpu_engine(f"OpenVINO {self._version}", self._path, self._threads)

    def run(self, inputs: Arrays) -> dict[str, NDArray[Any]]:
        check_arrays(self.inputs, inputs, str(self._path))
        given = {self._index[name]: np.ascontiguousarray(array) for name, array in inputs.items()}
        # Inputs are read before the call returns, so they need no copy; outputs are overwritten by the next run.
        try:
            results = self._request.infer(given, share_inputs=True, share_outputs=True)
        except RuntimeError as error:
            # A network with a dynamic batch is compiled, and its threads are started, at the first run of a shape.
            if no_threads := refused_threads(error, "OpenVINO", self._path):
                raise no_threads from error
            raise
        return {spec.name: results[index].copy() for index, spec in enumerate(self.outputs)}

    def close(self) -> None:
        """Does nothing: the network is freed with this object."""


def _read(core: Any, content: bytes, suffix: str) -> Any:
    """Read a network from bytes, through a file: OpenVINO cannot read .tflite from memory."""
    with temporary_folder() as folder:
        path = (folder / "network").with_suffix(suffix)
        path.write_bytes(content)
        return core.read_model(path)


def _spec(port: Any, path: Path) -> TensorSpec:
    name, kind = port.get_any_name(), port.get_element_type()
    dtype = np.dtype(kind.to_dtype())
    # For types that numpy lacks, such as bfloat16, OpenVINO returns another dtype of the same width.
    if dtype.kind not in "fiub" or type(kind)(dtype) != kind:
        raise EngineError(
            f"{name} is {kind.get_type_name()}, which is not supported", where=path, hint="export it with float32"
        )
    shape = tuple(int(d.get_length()) if d.is_static else None for d in port.get_partial_shape())
    return TensorSpec(name, shape, dtype)
