"""LiteRT (formerly TensorFlow Lite) as an engine for .tflite networks on the CPU."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.contract.errors import EngineError, importing
from edge.engines.engine import Arrays, TensorSpec, check_arrays, describe_cpu_engine
from edge.stderr import suppress_stderr


class LiteRtEngine:
    """A .tflite file on the CPU. See :class:`edge.engines.engine.Engine`.

    rewrite: returns the bytes to run instead of the file's; the file is loaded first, which detects damage.
    """

    device_s: float | None = None

    def __init__(self, path: Path, *, threads: int = 0, rewrite: Callable[[Path], bytes] | None = None) -> None:
        with importing("ai-edge-litert", needed_for=f"running {path.name}", install="pip install 'skd-edge[edge]'"):
            import ai_edge_litert
            from ai_edge_litert.interpreter import Interpreter
        try:
            with suppress_stderr():
                threads_used = threads or os.cpu_count()
                interpreter = Interpreter(str(path), num_threads=threads_used)
                if rewrite is not None:
                    interpreter = Interpreter(model_content=rewrite(path), num_threads=threads_used)
                interpreter.allocate_tensors()
        except (ValueError, RuntimeError) as error:
            raise EngineError(
                f"LiteRT cannot load it: {error}", where=path, hint="the file is damaged or incomplete; fetch it again"
            ) from error
        self._interpreter = interpreter
        self._path, self._threads, self._version = path, threads, ai_edge_litert.__version__
        inputs, outputs = self._interpreter.get_input_details(), self._interpreter.get_output_details()
        self._index = {tensor["name"]: tensor["index"] for tensor in inputs + outputs}
        self.inputs = tuple(_spec(tensor) for tensor in inputs)
        self.outputs = tuple(_spec(tensor) for tensor in outputs)

    def describe(self) -> str:
        return describe_cpu_engine(f"LiteRT {self._version}", self._path, self._threads)

    def run(self, inputs: Arrays) -> dict[str, NDArray[Any]]:
        check_arrays(self.inputs, inputs, str(self._path))
        for name, array in inputs.items():
            self._interpreter.set_tensor(self._index[name], array)
        self._interpreter.invoke()
        return {spec.name: self._interpreter.get_tensor(self._index[spec.name]) for spec in self.outputs}

    def bind(self, inputs: Arrays, outputs: Arrays) -> Callable[[], None]:
        """See :func:`edge.engines.engine.bind`, which checks the arrays."""
        interpreter = self._interpreter
        sources = [(self._index[name], array) for name, array in inputs.items()]
        # interpreter.tensor() gives views of LiteRT's memory; get_tensor would allocate a copy in every run.
        results = [(interpreter.tensor(self._index[name]), array) for name, array in outputs.items()]

        def run() -> None:
            for index, array in sources:
                interpreter.set_tensor(index, array)
            interpreter.invoke()
            for tensor, array in results:
                np.copyto(array, tensor())

        return run

    def close(self) -> None:
        """Does nothing: the interpreter is freed with this object."""


def _spec(tensor: dict[str, Any]) -> TensorSpec:
    return TensorSpec(tensor["name"], tuple(int(d) for d in tensor["shape"]), np.dtype(tensor["dtype"]))
