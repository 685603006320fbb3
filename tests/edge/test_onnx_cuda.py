"""ONNX Runtime on the GPU, as far as it can be tested where the installed one has no CUDA; tests/gpu has the rest."""

import shutil
from pathlib import Path

import onnxruntime
import pytest

from edge.contract.errors import EngineError
from edge.engines.registry import open_engine
from tests.networks import student


@pytest.mark.skipif("CUDAExecutionProvider" in onnxruntime.get_available_providers(), reason="ONNX Runtime has CUDA")
def test_without_cuda_in_onnx_runtime_the_error_names_the_package(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match=r"student\.onnx: .* built without CUDA; install onnxruntime-gpu"):
        open_engine(student(tmp_path / "student.onnx"), runtime="cuda")


def test_engine_cuda_refuses_a_file_that_onnx_runtime_does_not_read(tmp_path: Path) -> None:
    path = Path(shutil.copy(student(tmp_path / "student.onnx"), tmp_path / "student.tflite"))
    with pytest.raises(EngineError, match=r"engine cuda runs \.onnx files only; give an \.onnx file, or engine auto"):
        open_engine(path, runtime="cuda")


def test_engine_auto_stays_on_the_cpu(tmp_path: Path) -> None:
    assert ", CPU, FP32, 1 thread" in open_engine(student(tmp_path / "student.onnx"), threads=1).describe()
