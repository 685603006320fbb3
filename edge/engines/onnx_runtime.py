"""ONNX Runtime as an engine: the laptop's runtime, and the reference for all others."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.contract.errors import DeviceLostError, EngineError, importing
from edge.engines.engine import Arrays, TensorSpec, check_arrays, describe_cpu_engine, file_precision, refused_threads
from edge.engines.gpu import START_AGAIN, keep_for_ever
from edge.engines.offline_cores import abort_of_onnx_runtime
from edge.host import ThisHost

_DTYPES = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(uint8)": np.uint8,
    "tensor(int8)": np.int8,
    "tensor(int32)": np.int32,
    "tensor(int64)": np.int64,
    "tensor(bool)": np.bool_,
}

# In an INT8 file each reader of a tensor has its own Q/DQ pair, because on x86 ONNX Runtime runs a convolution in INT8
# only if no other node reads the pair before it. This optimisation would merge the pairs.
DISABLED_OPTIMIZERS = ["CommonSubexpressionElimination"]

CUDA = "CUDAExecutionProvider"
CUDA_OPTIONS = {"arena_extend_strategy": "kSameAsRequested", "use_tf32": "0"}
"""Grow GPU memory by what is needed, not to the next power of two: several processes may share one GPU. Single
precision is not rounded to TF32, as in TensorRT's engines of FP32."""

_INSTALL_CUDA = (
    "pip uninstall onnxruntime, then pip install 'onnxruntime-gpu[cuda,cudnn]'; it needs a driver; or use engine auto"
)
_CHECK_GPU = "see what nvidia-smi shows: the driver, and the programs that use the GPU; or use engine auto"
_NO_MEMORY = re.compile(
    r"(CUDA failure 2: |CUDA error cudaErrorMemoryAllocation:|CUBLAS failure 3: |CUDNN failure \d+: (?=\w+_ALLOC)"
    r"|Failed to allocate memory )[^;]+"
)
# A call that fails, or what is found after a kernel was started.
_GPU_FAILURE = re.compile(r"((CUDA|CUDNN|CUDNN_FE|CUBLAS) failure |CUDA error cuda)[^;]+")
_TURN_ON = "take a power mode with all cores (`python -m edge doctor` names one), or ONNX Runtime 1.27 on Python 3.11"


class OnnxRuntimeEngine:
    """An ONNX file on the CPU, or on the GPU with ``cuda``. See :class:`edge.engines.engine.Engine`."""

    device_s: float | None = None

    def __init__(self, path: Path, *, threads: int = 0, cuda: bool = False) -> None:
        if abort := abort_of_onnx_runtime(ThisHost()):
            raise EngineError(abort, hint=_TURN_ON)
        with importing("onnxruntime", needed_for=f"running {path.name}", install="pip install 'skd-edge[edge]'"):
            import onnxruntime as ort
        if cuda and CUDA not in ort.get_available_providers():
            raise EngineError("the installed ONNX Runtime is built without CUDA", where=path, hint=_INSTALL_CUDA)
        try:
            self._session = _session(str(path), threads, cuda)
        except Exception as error:  # ONNX Runtime raises a different class for each way a file can be bad
            if no_threads := refused_threads(error, "ONNX Runtime", path):
                raise no_threads from error
            if isinstance(error, TypeError):
                hint = "rename it, or its folder"
                raise EngineError("its path is not UTF-8, as ONNX Runtime requires", where=path, hint=hint) from error
            raise _refused(
                "load it", error, path, cuda, "the file is damaged or of a newer opset; export it again"
            ) from error
        # Without the driver or a library of CUDA, ONNX Runtime logs an error and continues on the CPU.
        if cuda and CUDA not in self._session.get_providers():
            raise EngineError("ONNX Runtime cannot use CUDA; its log says why", where=path, hint=_INSTALL_CUDA)
        self._path, self._threads, self._version, self._cuda = path, threads, ort.__version__, cuda
        self.inputs = tuple(_spec(i, path) for i in self._session.get_inputs())
        self.outputs = tuple(_spec(o, path) for o in self._session.get_outputs())

    def describe(self) -> str:
        runtime = f"ONNX Runtime {self._version}"
        if self._cuda:
            return f"{runtime}, CUDA, {file_precision(self._path)}"
        return describe_cpu_engine(runtime, self._path, self._threads)

    def run(self, inputs: Arrays) -> dict[str, NDArray[Any]]:
        check_arrays(self.inputs, inputs, str(self._path))
        try:
            values = self._session.run(None, dict(inputs))
        except Exception as error:  # for example the network's own shapes do not fit, or there is too little memory
            if self._cuda and (found := _GPU_FAILURE.search(str(error))) and not _NO_MEMORY.search(str(error)):
                # Nearly always a kernel's fault. A session that is destroyed or created after it aborts the process.
                keep_for_ever(self)
                what = f"the GPU failed: {found[0].strip()}"
                raise DeviceLostError(what, where=self._path, hint=START_AGAIN) from error
            raise _refused("run it", error, self._path, self._cuda, "export it again") from error
        return {spec.name: value for spec, value in zip(self.outputs, values, strict=True)}

    def bind(self, inputs: Arrays, outputs: Arrays) -> Callable[[], None]:
        """See :func:`edge.engines.engine.bind`, which checks the arrays."""
        binding, session = self._session.io_binding(), self._session
        for name, array in inputs.items():
            binding.bind_input(name, "cpu", 0, array.dtype, array.shape, array.ctypes.data)
        for name, array in outputs.items():
            binding.bind_output(name, "cpu", 0, array.dtype, array.shape, array.ctypes.data)
        # The binding holds bare addresses, so the closure must keep the arrays alive.
        kept = (dict(inputs), dict(outputs))

        def run() -> None:
            assert kept
            session.run_with_iobinding(binding)

        return run

    def close(self) -> None:
        """Does nothing: the session is freed with this object."""


def cpu_session(network: str | bytes) -> Any:
    """A session on all cores of the CPU. network: a path, or a model's bytes."""
    return _session(network, threads=0, cuda=False)


def _session(network: str | bytes, threads: int, cuda: bool) -> Any:
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 4  # its errors are raised
    providers: list[Any] = [(CUDA, CUDA_OPTIONS)] if cuda else []
    providers.append("CPUExecutionProvider")
    if cuda:
        # Finds CUDA's libraries where pip installs them. What it misses it prints to stdout, which may carry results.
        with redirect_stdout(sys.stderr):
            ort.preload_dlls()
    # Otherwise the session continues on the CPU after a failure of the GPU, also in the middle of a run.
    rules = {"enable_fallback": 0, "disabled_optimizers": DISABLED_OPTIMIZERS}
    return ort.InferenceSession(network, options, providers=providers, **rules)


def _refused(what: str, error: Exception, path: Path, cuda: bool, hint: str) -> EngineError:
    """What ONNX Runtime cannot do. hint: unless the GPU is the reason; then the line holds only what CUDA reported."""
    if cuda and (found := _NO_MEMORY.search(str(error)) or _GPU_FAILURE.search(str(error))):
        return EngineError(f"ONNX Runtime cannot use the GPU: {found[0].strip()}", where=path, hint=_CHECK_GPU)
    return EngineError(f"ONNX Runtime cannot {what}: {error}", where=path, hint=hint)


def _spec(value: Any, path: Path) -> TensorSpec:
    if value.type not in _DTYPES:
        raise EngineError(
            f"{value.name} is {value.type}, which is not supported", where=path, hint="export it with float32"
        )
    shape = tuple(d if isinstance(d, int) else None for d in value.shape)
    return TensorSpec(value.name, shape, np.dtype(_DTYPES[value.type]))
