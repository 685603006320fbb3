"""A build shows its progress, and a signal ends it at once, without waiting for the builder, and leaves no files."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import tiny_bundle
from rich.progress import Progress

from calibrate.tensorrt.build_progress import _monitor
from calibrate.tensorrt.engine_builder import BuildOptions, build_engine


def test_the_bar_counts_the_steps_of_the_outermost_phase(board) -> None:
    """TensorRT numbers a phase's steps from 0."""
    bars = Progress(disable=True)
    monitor = _monitor(board(), bars, "building")
    monitor.phase_start("Building", None, 4)
    monitor.phase_start("Timing", "Building", 7)
    assert monitor.step_complete("Timing", 6) and monitor.step_complete("Building", 1)
    assert [(task.description, task.completed, task.total) for task in bars.tasks] == [("building", 2, 4)]


@pytest.mark.usefixtures("heeds_ctrl_c")
@pytest.mark.parametrize("version", ["10.3.0", "11.4.1"])
def test_ctrl_c_interrupts_a_build_and_leaves_no_files(board, int8: Path, tmp_path: Path, version: str) -> None:
    board(version, interrupted=True)
    before = set(tmp_path.iterdir())
    with pytest.raises(KeyboardInterrupt):
        build_engine(int8, tmp_path / "s.engine", BuildOptions())
    assert set(tmp_path.iterdir()) == before


HANGING_BUILD = """
import signal, sys
from fake_cuda import FakeGpu
from fake_tensorrt import tensorrt
from calibrate.__main__ import main
from edge.cli.leftover_threads import exit_past_threads

signal.signal(signal.SIGINT, signal.SIG_DFL)  # a shell's background jobs ignore it
gpu = FakeGpu()
sys.modules.update(gpu.modules(), tensorrt=tensorrt(sys.argv[1], gpu=gpu, hangs=True))
sys.argv[1:] = ["engine", "--bundle", sys.argv[2]]
exit_past_threads(main)
"""


@pytest.mark.parametrize(
    ("version", "signum", "code"), [("8.5.2", signal.SIGINT, 130), ("10.3.0", signal.SIGTERM, 143)]
)
def test_a_signal_does_not_wait_for_the_builder(tmp_path: Path, version: str, signum: int, code: int) -> None:
    bundle = tiny_bundle.make(tmp_path / "bundle")
    before = set(bundle.iterdir())
    command = [sys.executable, "-c", HANGING_BUILD, version, bundle]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, env=environment, text=True, **pipes) as process:
        try:
            assert process.stdout.readline() == "building\n"
            assert set(bundle.iterdir()) > before
            process.send_signal(signum)
            assert process.communicate(timeout=60)[1].splitlines()[-1] == "interrupted"
        finally:
            process.kill()
    assert process.returncode == code
    assert set(bundle.iterdir()) == before
