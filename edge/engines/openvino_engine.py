"""OpenVINO as engine for the CPU: reads .onnx and .tflite as they are, in FP32 and with Q/DQ."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.contract.errors import EngineError, MissingDependency, SkdError
from edge.contract.files import temporary_folder
from edge.engines.engine import Arrays, TensorSpec, check_inputs, on_cpu
from edge.engines.signal_stack import signal_stack_kept


class OpenVinoEngine:
    """A .onnx or .tflite file on the CPU. See :class:`edge.engines.engine.Engine`.

    rewrite: gives the bytes to run in the file's place; the file itself is read first, and damage is found.
    """

    device_s: float | None = None

    def __init__(self, path: Path, *, threads: int = 0, rewrite: Callable[[Path], bytes] | None = None) -> None:
        try:
            import openvino
        except ImportError as error:
            raise MissingDependency(
                "openvino",
                needed_for=f"running {path.name} with OpenVINO",
                install="pip install 'skd-edge[openvino]'",
                because=error,
            ) from error
        options = {
            "PERFORMANCE_HINT": "LATENCY",
            "NUM_STREAMS": 1,
            "INFERENCE_NUM_THREADS": threads or os.cpu_count() or 1,
            # Processors with bfloat16 would otherwise compute FP32 networks in it, with other answers.
            "INFERENCE_PRECISION_HINT": "f32",
        }
        try:
            core = openvino.Core()
            network = core.read_model(path)
            if rewrite is not None:
                network = _read(core, rewrite(path), path.suffix)
            with signal_stack_kept():
                compiled = core.compile_model(network, "CPU", options)
        except SkdError:
            raise
        except Exception as error:  # OpenVINO raises RuntimeError and its own classes, of a module that moves
            reason = (str(error).strip().splitlines() or [type(error).__name__])[-1]
            raise EngineError(
                f"OpenVINO cannot load it: {reason}", where=path, hint="the file is damaged, or choose engine auto"
            ) from error
        self._path, self._threads = path, threads
        self._version = openvino.__version__.partition("-")[0]
        self._request = compiled.create_infer_request()
        self.inputs = tuple(_spec(port, path) for port in compiled.inputs)
        self.outputs = tuple(_spec(port, path) for port in compiled.outputs)
        self._place = {spec.name: place for place, spec in enumerate(self.inputs)}

    def describe(self) -> str:
        return on_cpu(f"OpenVINO {self._version}", self._path, self._threads)

    def run(self, inputs: Arrays) -> dict[str, NDArray[Any]]:
        check_inputs(self.inputs, inputs, str(self._path))
        given = {self._place[name]: np.ascontiguousarray(array) for name, array in inputs.items()}
        # Inputs are read before the call returns, so they need no copy; outputs are overwritten by the next run.
        results = self._request.infer(given, share_inputs=True, share_outputs=True)
        return {spec.name: results[place].copy() for place, spec in enumerate(self.outputs)}

    def close(self) -> None:
        """Nothing to give back: the network goes with the object."""


def _read(core: Any, content: bytes, suffix: str) -> Any:
    """The network of these bytes; of .tflite OpenVINO reads files only."""
    with temporary_folder() as folder:
        path = (folder / "network").with_suffix(suffix)
        path.write_bytes(content)
        return core.read_model(path)


def _spec(port: Any, path: Path) -> TensorSpec:
    name, kind = port.get_any_name(), port.get_element_type()
    dtype = np.dtype(kind.to_dtype())
    # Of kinds that numpy has not, bfloat16 say, OpenVINO gives another one that is as wide, and its bits mean nothing.
    if dtype.kind not in "fiub" or type(kind)(dtype) != kind:
        raise EngineError(
            f"{name} is {kind.get_type_name()}, which is not served", where=path, hint="export it with float32"
        )
    shape = tuple(int(d.get_length()) if d.is_static else None for d in port.get_partial_shape())
    return TensorSpec(name, shape, dtype)
