"""Errors of all commands: user errors and missing packages."""

import subprocess
import sys
from pathlib import Path

import pytest
from typed import calibrate


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (("student", "--bundle", "{}/absent", "--clips", "{}/calibration.npz"), "bundle.yaml is missing"),
        (
            ("student", "--bundle", "{}/bundle", "--clips", "{}/absent.npz"),
            "absent.npz: cannot be read: No such file or directory",
        ),
        (
            ("student", "--bundle", "{}/bundle", "--clips", "{}/calibration.npz", "--samples", "0"),
            "samples 0 and seed 0",
        ),
        (("verify", "--bundle", "{}/bundle"), "the bundle contains no student.int8.onnx"),
        (("gate", "--onnx", "{}/absent.onnx"), "cannot be read"),
        (("pose", "--network", "{}/bundle/student.onnx", "--frames", "{}/absent.mp4"), "no image"),
        (("pose", "--network", "{}/x.onnx", "--frames", "{}", "--method", "best"), "--help"),
        (("engine", "--onnx", "{}/bundle/student.onnx"), "tensorrt"),
        (("tf-pose", "--graph", "{}/absent.pb", "--out", "{}/pose.onnx"), "cannot be read"),
    ],
)
def test_a_user_error_is_one_line_and_exit_code_2(
    bundle: Path, tmp_path: Path, capsys, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], line: str
) -> None:
    monkeypatch.setitem(sys.modules, "tensorrt", None)
    with pytest.raises(SystemExit) as left:
        calibrate(*(a.format(tmp_path) for a in arguments))
    assert left.value.code == 2
    error = capsys.readouterr().err.strip()
    assert line in error
    assert error.startswith("error: ")
    assert "\n" not in error


def test_without_the_extra_the_command_says_how_to_install_it(bundle: Path, tmp_path: Path) -> None:
    code = (
        "import sys; sys.modules['onnx'] = None\n"
        "from calibrate.__main__ import main\n"
        f"sys.argv = ['calibrate', 'gate', '--onnx', {str(bundle / 'student.onnx')!r}]\n"
        "main()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "install it with: make setup, or pip install 'skd-edge[calibrate]'" in done.stderr


def test_engines_are_built_without_onnx_runtime(bundle: Path, tmp_path: Path) -> None:
    # A Jetson's container has TensorRT and no ONNX Runtime.
    code = "import sys; sys.modules['onnxruntime'] = None\nimport calibrate.tensorrt.engine_builder, calibrate.__main__"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_calibration_does_not_wait_for_pytorch(bundle: Path, tmp_path: Path) -> None:
    # ONNX Runtime's tools import it where it is installed.
    code = (
        "import sys; from calibrate.__main__ import main\n"
        f"sys.argv = ['calibrate', 'student', '--bundle', {str(bundle)!r}, '--clips', '{tmp_path}/calibration.npz']\n"
        "main(); assert 'onnx' in sys.modules and 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    assert (bundle / "student.int8.onnx").is_file()
