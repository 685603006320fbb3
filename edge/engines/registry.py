"""Open a network file with the runtime for its suffix."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Literal

from edge.contract.errors import ConfigError, EngineError
from edge.contract.reading import wrap_read_errors
from edge.engines.engine import Engine

MAX_THREADS = 1024
"""Far more than the cores of a machine, and within the range of every runtime."""

Runtime = Literal["auto", "openvino", "cuda"]
"""auto: by the file's suffix. openvino: OpenVINO on the CPU for .onnx and .tflite; .engine still uses TensorRT.
cuda: ONNX Runtime on an NVIDIA GPU, for .onnx only."""


def open_engine(
    path: Path, *, threads: int = 0, runtime: Runtime = "auto", rewrite: Callable[[Path], bytes] | None = None
) -> Engine:
    """Open a network file with the runtime for its suffix (.onnx, .tflite or .engine), or with OpenVINO.

    threads: CPU threads of the runtime, 0 for one per core; ignored on a GPU. rewrite: returns the bytes to run instead
    of a .tflite file's own, for instance with added layers; ignored for other files.
    Raises EngineError if the file is missing, damaged or of an unknown type, MissingDependency if the runtime is not
    installed, ConfigError for a number of threads out of range.
    """
    if not 0 <= threads <= MAX_THREADS:
        raise ConfigError(f"threads is {threads}", hint=f"give 0 for all cores, or up to {MAX_THREADS}")
    with wrap_read_errors(path, EngineError, "check the path and its permissions"):
        if not path.is_file():
            raise EngineError("no such network file", where=path, hint="check the path; a folder or a pipe is not one")
    if runtime == "openvino" and path.suffix != ".engine":
        from edge.engines.openvino_engine import OpenVinoEngine

        return OpenVinoEngine(path, threads=threads, rewrite=rewrite if path.suffix == ".tflite" else None)
    if runtime == "cuda" and path.suffix != ".onnx":
        raise EngineError("engine cuda runs .onnx files only", where=path, hint="give an .onnx file, or engine auto")
    # Runtimes are heavy, and a device may have only one: import only the one that is needed.
    if path.suffix == ".onnx":
        from edge.engines.onnx_runtime import OnnxRuntimeEngine

        return OnnxRuntimeEngine(path, threads=threads, cuda=runtime == "cuda")
    if path.suffix == ".tflite":
        from edge.engines.litert import LiteRtEngine

        return LiteRtEngine(path, threads=threads, rewrite=rewrite)
    if path.suffix == ".engine":
        from edge.engines.tensorrt_engine import TensorRtEngine

        return TensorRtEngine(path)
    raise EngineError(
        f"no runtime reads {path.suffix or 'this'} files", where=path, hint="give .onnx, .tflite or .engine"
    )
