"""ONNX Runtime on the GPU: how it fails, and, where there is one, what it computes."""

import gc
import os
import shutil
import subprocess
import sys
import weakref
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest

from edge.contract.errors import DeviceLostError, EngineError
from edge.engines.onnx_runtime import OnnxRuntimeEngine
from edge.engines.registry import open_engine
from tests.networks import branches, clips, images, student

HAS_CUDA = "CUDAExecutionProvider" in onnxruntime.get_available_providers()
RAISED = (
    "[ONNXRuntimeError] : 1 : FAIL : Non-zero status code returned while running Conv node. Status Message: {} ; GPU=0"
)
"""What ONNX Runtime 1.23 to 1.31 raise where a library of CUDA reports a failure."""


class CudaSession(onnxruntime.InferenceSession):
    """A session that says it runs on the GPU, and fails as one does, in the C++ beneath ONNX Runtime's Python."""

    at_start: str | None = None
    in_run: str | None = None

    def _create_inference_session(self, providers: Any, options: Any, disabled: Any = None) -> None:
        if self.at_start and "CPUExecutionProvider" not in providers[0]:
            raise RuntimeError(self.at_start)
        super()._create_inference_session(["CPUExecutionProvider"], None, disabled)

    def get_providers(self) -> list[str]:
        return ["CUDAExecutionProvider", "CPUExecutionProvider"]

    def run(self, *arguments: Any) -> Any:
        if self.in_run:
            raise RuntimeError(self.in_run)
        return super().run(*arguments)


@pytest.fixture
def cuda(monkeypatch: pytest.MonkeyPatch) -> type[CudaSession]:
    """ONNX Runtime as if it had CUDA; the test sets how it fails."""
    monkeypatch.setattr(CudaSession, "at_start", None)
    monkeypatch.setattr(CudaSession, "in_run", None)
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CUDAExecutionProvider"])
    monkeypatch.setattr(onnxruntime, "InferenceSession", CudaSession)
    return CudaSession


@pytest.mark.skipif(HAS_CUDA, reason="ONNX Runtime has CUDA")
def test_without_cuda_in_onnx_runtime_the_error_names_the_package(tmp_path: Path) -> None:
    with pytest.raises(
        EngineError, match=r"student\.onnx: .* built without CUDA; .*pip install 'onnxruntime-gpu\[cuda"
    ):
        open_engine(student(tmp_path / "student.onnx"), runtime="cuda")


def test_engine_cuda_refuses_a_file_that_onnx_runtime_does_not_read(tmp_path: Path) -> None:
    path = Path(shutil.copy(student(tmp_path / "student.onnx"), tmp_path / "student.tflite"))
    with pytest.raises(EngineError, match=r"engine cuda runs \.onnx files only; give an \.onnx file, or engine auto"):
        open_engine(path, runtime="cuda")


def test_engine_auto_stays_on_the_cpu(tmp_path: Path) -> None:
    assert ", CPU, FP32, 1 thread" in open_engine(student(tmp_path / "student.onnx"), threads=1).describe()


def test_the_cpu_does_not_take_over_from_a_gpu_that_cannot_be_used(cuda: type[CudaSession], tmp_path: Path) -> None:
    cuda.at_start = "CUDA failure 35: CUDA driver version is insufficient for CUDA runtime version ; GPU=-1"
    with pytest.raises(
        EngineError, match=r"the GPU: CUDA failure 35: .* insufficient for .* version; see what nvidia-smi"
    ):
        open_engine(student(tmp_path / "student.onnx"), runtime="cuda")


@pytest.mark.parametrize(
    "failure",
    [
        "CUDA failure 719: unspecified launch failure",
        "CUDA error cudaErrorLaunchFailure:unspecified launch failure",
        "CUDNN failure 5000: CUDNN_STATUS_EXECUTION_FAILED",
        "CUDNN_FE failure 11: CUDNN_BACKEND_API_FAILED",
        "CUBLAS failure 13: CUBLAS_STATUS_EXECUTION_FAILED",
    ],
)
def test_a_gpu_that_fails_is_lost_and_its_session_never_destroyed(
    cuda: type[CudaSession], tmp_path: Path, failure: str
) -> None:
    engine = OnnxRuntimeEngine(student(tmp_path / "student.onnx"), cuda=True)
    session = weakref.ref(engine._session)
    cuda.in_run = RAISED.format(failure)
    with pytest.raises(DeviceLostError, match=f"student.onnx: the GPU failed: {failure}; start again"):
        engine.run({"clip": clips(1)})
    engine.close()
    del engine
    gc.collect()
    assert session() is not None


@pytest.mark.parametrize(
    "failure",
    [
        "CUDA failure 2: out of memory",
        "CUDA error cudaErrorMemoryAllocation:out of memory",
        "CUBLAS failure 3: CUBLAS_STATUS_ALLOC_FAILED",
        "CUDNN failure 2: CUDNN_STATUS_ALLOC_FAILED",
        "CUDNN failure 4004: CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED",
        "Failed to allocate memory for requested buffer",
    ],
)
def test_a_gpu_without_memory_can_be_tried_again(cuda: type[CudaSession], tmp_path: Path, failure: str) -> None:
    engine = OnnxRuntimeEngine(student(tmp_path / "student.onnx"), cuda=True)
    cuda.in_run = RAISED.format(failure)
    with pytest.raises(EngineError, match=f"cannot use the GPU: {failure}; see what nvidia-smi") as raised:
        engine.run({"clip": clips(1)})
    assert not isinstance(raised.value, DeviceLostError)


def test_what_the_search_for_cudas_libraries_prints_stays_out_of_the_results(
    cuda: type[CudaSession], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr(onnxruntime, "preload_dlls", lambda: print("Failed to load libcublas.so.12"))
    open_engine(student(tmp_path / "student.onnx"), runtime="cuda")
    assert capsys.readouterr() == ("", "Failed to load libcublas.so.12\n")


@pytest.mark.gpu
@pytest.mark.skipif(not HAS_CUDA, reason="pip install 'onnxruntime-gpu[cuda,cudnn]'")
def test_the_gpu_gives_what_the_cpu_gives(tmp_path: Path) -> None:
    path, inputs = branches(tmp_path / "pose.onnx"), {"image": images(1)[0]}
    expected = open_engine(path).run(inputs)["map"]
    # In TF32, with a mantissa of ten bits, they would differ by more.
    assert np.abs(open_engine(path, runtime="cuda").run(inputs)["map"] - expected).max() < 1e-4 * expected.max()


RUN_AFTER_A_FAULT = """
import ctypes, sys
from pathlib import Path
import networks
from edge.contract.errors import DeviceLostError
from edge.engines.onnx_runtime import OnnxRuntimeEngine

TRAP = b".version 7.0\\n.target sm_72\\n.address_size 64\\n.visible .entry fails() { trap; }\\n\\0"
engine, dropped = (OnnxRuntimeEngine(Path(sys.argv[1]), cuda=True) for _ in range(2))
engine.run({"image": networks.images(1)[0]})
cuda, module, fails = ctypes.CDLL("libcuda.so.1"), ctypes.c_void_p(), ctypes.c_void_p()
assert cuda.cuModuleLoadData(ctypes.byref(module), TRAP) == 0
assert cuda.cuModuleGetFunction(ctypes.byref(fails), module, b"fails") == 0
cuda.cuLaunchKernel(fails, 1, 1, 1, 1, 1, 1, 0, None, None, None)
for one in (engine, dropped):
    try:
        one.run({"image": networks.images(1)[0]})
    except DeviceLostError:
        print("lost")
engine.close()
del engine, dropped, one
print("end")
"""


@pytest.mark.gpu
@pytest.mark.skipif(not HAS_CUDA, reason="pip install 'onnxruntime-gpu[cuda,cudnn]'")
def test_after_a_kernel_fault_the_process_ends_in_order(tmp_path: Path) -> None:
    command = [sys.executable, "-c", RUN_AFTER_A_FAULT, str(branches(tmp_path / "pose.onnx"))]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent.parent), *sys.path])}
    ran = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert (ran.stdout.split(), ran.returncode) == (["lost", "lost", "end"], 0), ran.stderr
