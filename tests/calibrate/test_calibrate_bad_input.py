"""Bad input to calibration and engines ends in one error line and exit code 2, and leaves the folder unchanged.

Each case prepares a folder and returns the command line; its docstring is what the error must contain.
"""

import resource
import sys
from collections.abc import Callable
from pathlib import Path

import networks
import numpy as np
import pytest
import tiny_bundle

from calibrate.__main__ import COMMANDS
from edge.cli.command_line import run_command_line
from edge.contract.bundle import read_bundle, write_manifest

Argv = list[str | Path]
CASES: dict[str, Callable[[Path], Argv]] = {}
BOARD: dict[str, dict] = {}


def case(function: Callable[[Path], Argv]) -> Callable[[Path], Argv]:
    CASES[function.__name__] = function
    return function


def on_a_board(**options: object) -> Callable[[Callable[[Path], Argv]], Callable[[Path], Argv]]:
    """Add a case on a machine with TensorRT and a GPU, both faked at the driver's boundary."""

    def add(function: Callable[[Path], Argv]) -> Callable[[Path], Argv]:
        BOARD[function.__name__] = options
        return case(function)

    return add


def clips(folder: Path, array: np.ndarray, name: str = "calibration.npz") -> Path:
    np.savez(folder / name, clips=array.astype(np.float32), labels=np.arange(len(array)) % 4)
    return folder / name


def some_clips(count: int = 12) -> np.ndarray:
    return np.random.default_rng(0).standard_normal((count, 3, 32, 13, 1))


def student(folder: Path, given: Path, *more: str | Path) -> Argv:
    return ["student", "--bundle", tiny_bundle.make(folder / "bundle"), "--clips", given, *more]


@case
def a_calibration_set_of_no_clips(folder: Path) -> Argv:
    """contains no clips; write it with"""
    return student(folder, clips(folder, some_clips()[:0]))


@case
def a_calibration_set_with_nan(folder: Path) -> Argv:
    """calibration.npz: clip 5 contains NaN or infinite values; leave it out"""
    array = some_clips()
    array[5, 0, 3, 2] = np.nan
    return student(folder, clips(folder, array))


@case
def a_test_set_with_infinite_values(folder: Path) -> Argv:
    """test.npz: clip 2 contains NaN or infinite values"""
    array = some_clips()
    array[2, 1] = np.inf
    return student(folder, clips(folder, some_clips()), "--test", clips(folder, array, "test.npz"))


@case
def clips_of_another_student(folder: Path) -> Argv:
    """clips (4, 3, 16, 13, 1) do not fit the student's input (N, 3, 32, 13, 1)"""
    return student(folder, clips(folder, some_clips(4)[:, :, :16]))


@case
def verification_clips_of_another_student(folder: Path) -> Argv:
    """clips (4, 3, 16, 13, 1) do not fit the student's input"""
    argv: Argv = ["verify", "--bundle", tiny_bundle.make(folder / "bundle")]
    return [*argv, "--clips", clips(folder, some_clips(4)[:, :, :16])]


@case
def more_float_layers_than_there_are(folder: Path) -> Argv:
    """float_layers 9 is not between 0 and 4"""
    return student(folder, clips(folder, some_clips()), "--float_layers", "9")


@case
def a_negative_number_of_samples(folder: Path) -> Argv:
    """samples -3 and seed 0 are out of range; samples start at 1"""
    return student(folder, clips(folder, some_clips()), "--samples", "-3")


@case
def a_negative_seed(folder: Path) -> Argv:
    """samples 256 and seed -1 are out of range; samples start at 1, seeds at 0"""
    return student(folder, clips(folder, some_clips()), "--seed", "-1")


@case
def a_negative_number_of_images(folder: Path) -> Argv:
    """the number of images must be at least 1"""
    return ["pose", "--network", networks.student(folder / "pose.onnx"), "--frames", folder, "--samples", "-1"]


@case
def agreement_above_100_percent(folder: Path) -> Argv:
    """invalid budget: 0.5 points, 101.0 %"""
    network = networks.student(folder / "pose.onnx")
    return ["pose", "--network", network, "--frames", folder, "--min_people_agreement", "101"]


@case
def int8_output_over_its_fp32_source(folder: Path) -> Argv:
    """pose.onnx: INT8 would overwrite the FP32 network; give another --out"""
    network = networks.student(folder / "pose.onnx")
    return ["pose", "--network", network, "--frames", folder, "--out", folder / "sub" / ".." / "pose.onnx"]


@case
def a_bundle_with_a_wrong_checksum(folder: Path) -> Argv:
    """student.onnx: the file is not the one bundle.yaml lists"""
    argv = student(folder, clips(folder, some_clips()))
    with (folder / "bundle" / "student.onnx").open("ab") as stream:
        stream.write(b"\0")
    return argv


@case
def a_budget_with_a_misspelt_key(folder: Path) -> Argv:
    """bundle.yaml: key 'budget.max_top1_drop' is missing"""
    argv = student(folder, clips(folder, some_clips()))
    path = folder / "bundle" / "bundle.yaml"
    path.write_text(path.read_text().replace("max_top1_drop", "max_top5_drop"))
    return argv


@case
def a_disk_that_is_full(folder: Path) -> Argv:
    """temporary files cannot be written: File too large; free some space there, or set TMPDIR"""
    argv = student(folder, clips(folder, some_clips()), "--float_layers", "0")
    resource.setrlimit(resource.RLIMIT_FSIZE, (4500, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))
    return argv


@on_a_board()
def a_disk_that_is_full_when_engines_are_built(folder: Path) -> Argv:
    """cannot be written: File too large"""
    argv: Argv = ["engine", "--bundle", tiny_bundle.make(folder / "bundle")]
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))
    return argv


@case
def no_tensorrt(folder: Path) -> Argv:
    """building an engine needs the package tensorrt; install it with: apt install"""
    return ["engine", "--bundle", tiny_bundle.make(folder / "bundle")]


@on_a_board(no_driver=True)
def no_gpu(folder: Path) -> Argv:
    """finds no NVIDIA driver or GPU on this machine; build the engine on the device"""
    return ["engine", "--bundle", tiny_bundle.make(folder / "bundle")]


@on_a_board(refuses="unsupported padding")
def a_network_that_tensorrt_rejects(folder: Path) -> Argv:
    """TensorRT 10.3.0 refuses stem (Conv): unsupported padding"""
    return ["engine", "--onnx", networks.student(folder / "student.onnx")]


@on_a_board()
def a_dla_core_that_the_board_lacks(folder: Path) -> Argv:
    """there is no DLA core 0: this board has none; leave dla_core out"""
    return ["engine", "--onnx", networks.student(folder / "student.onnx"), "--dla_core", "0"]


@on_a_board()
def an_int8_engine_of_a_bundle_without_int8(folder: Path) -> Argv:
    """the bundle contains no student.int8.onnx"""
    bundle = tiny_bundle.make(folder / "bundle")
    (bundle / "student.int8.onnx").unlink()
    write_manifest(bundle, read_bundle(bundle).manifest)
    return ["engine", "--bundle", bundle, "--precision", "int8"]


@on_a_board()
def an_int8_engine_of_a_network_without_qdq(folder: Path) -> Argv:
    """contains no Q/DQ pairs, so no int8 engine can be built from it"""
    return ["engine", "--onnx", networks.student(folder / "student.onnx"), "--precision", "int8"]


@case
def neither_a_bundle_nor_a_network(folder: Path) -> Argv:
    """give a bundle or a network; --bundle"""
    return ["engine"]


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


@pytest.mark.parametrize("name", CASES)
def test_one_line_exit_code_2_and_nothing_left(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch, board
) -> None:
    monkeypatch.setitem(sys.modules, "tensorrt", None)
    if name in BOARD:
        board(**BOARD[name])
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        argv = CASES[name](tmp_path)
        before = contents(tmp_path)
        with pytest.raises(SystemExit) as left:
            run_command_line("calibrate", "", COMMANDS, [str(a) for a in argv])
    finally:
        # Reset before pytest writes its report, which may go to a file.
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    errors = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    assert left.value.code == 2
    assert len(errors) == 1 and str(CASES[name].__doc__) in errors[0]
    assert contents(tmp_path) == before


def test_the_bundle_of_these_cases_is_valid(tmp_path: Path) -> None:
    assert read_bundle(tiny_bundle.make(tmp_path / "bundle")).file("student.onnx").is_file()
