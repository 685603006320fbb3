"""Packages that a command lacks, or does without."""

import subprocess
import sys
from pathlib import Path

import pytest


def test_without_the_extra_the_command_says_how_to_install_it(bundle: Path) -> None:
    code = (
        "import sys; sys.modules['onnx'] = None\n"
        "from calibrate.__main__ import main\n"
        f"sys.argv = ['calibrate', 'gate', '--onnx', {str(bundle / 'student.onnx')!r}]\n"
        "main()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "install it with: make setup, or pip install 'skd-edge[calibrate]'" in done.stderr


def test_engines_are_built_without_onnx_runtime() -> None:
    # A Jetson's container has TensorRT and no ONNX Runtime.
    code = "import sys; sys.modules['onnxruntime'] = None\nimport calibrate.tensorrt.engine_builder, calibrate.__main__"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.skipif(sys.version_info < (3, 11), reason="ONNX Runtime 1.23, the last for 3.10, imports it by itself")
def test_calibration_does_not_wait_for_pytorch(bundle: Path, tmp_path: Path) -> None:
    # ONNX Runtime's tools import it where it is installed.
    code = (
        "import sys; from calibrate.__main__ import main\n"
        f"sys.argv = ['calibrate', 'student', '--bundle', {str(bundle)!r}, '--clips', '{tmp_path}/calibration.npz']\n"
        "main(); assert 'onnx' in sys.modules and 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    assert (bundle / "student.int8.onnx").is_file()
