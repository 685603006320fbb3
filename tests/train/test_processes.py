"""Several processes (gloo) compute what one computes with the same global batch, gradient revision included."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from edge.cli.command_line import run_command_line
from train.__main__ import COMMANDS
from train.checkpoint import FILE, load_checkpoint

# For double precision. In single precision, rounding exceeds this after one step through ten untrained BatchNorms.
TOLERANCE = 1e-5
SETTINGS = [
    *("--data.clips_per_class", "4"),
    *("--data.pairs.preprocessing.length_frames", "8"),
    *("--data.pairs.preprocessing.fps", "4"),
    *("--width", "8"),
    *("--optimiser.learning_rate", "0.01"),
    *("--hardware.accelerator", "cpu"),
    *("--hardware.threads", "1"),
    *("--hardware.precision", "64-true"),
]


def command(kind: str, out: Path, *flags: str) -> list[str]:
    return [sys.executable, "-m", "train", kind, "--out", str(out), *SETTINGS, *flags]


def train(kind: str, out: Path, *flags: str) -> None:
    """Run the command in this process."""
    run_command_line("train", "", COMMANDS, command(kind, out, *flags)[3:])


def launch(kind: str, out: Path, *flags: str) -> None:
    """Run the command in processes of its own."""
    done = subprocess.run(command(kind, out, *flags), capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]


@pytest.fixture(scope="module")
def teacher(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "teacher"
    train("teacher", out, "--optimiser.epochs", "2", "--optimiser.batch", "12")
    return out


def largest_difference(one: Path, other: Path) -> float:
    a, b = load_checkpoint(one), load_checkpoint(other)
    assert a.network.keys() == b.network.keys() and a.extra.keys() == b.extra.keys()
    weights = [*zip(a.network.values(), b.network.values(), strict=True)]
    weights += zip(a.extra.values(), b.extra.values(), strict=True)
    return max(float((x - y).abs().max()) for x, y in weights if x.is_floating_point())


def test_two_processes_equal_one_with_twice_the_batch(tmp_path: Path, teacher: Path) -> None:
    # 36 training clips, 12 per step. This network has no dropout, for which two processes would draw other numbers.
    flags = [
        "--teacher",
        str(teacher),
        "--network",
        "shift_gcn_student",
        "--optimiser.epochs",
        "2",
        "--method",
        "paper",
    ]
    train("student", tmp_path / "one", *flags, "--optimiser.batch", "12")
    launch("student", tmp_path / "two", *flags, "--optimiser.batch", "6", "--hardware.devices", "2")
    assert largest_difference(tmp_path / "one", tmp_path / "two") < TOLERANCE
    history = [load_checkpoint(tmp_path / run).history for run in ("one", "two")]
    for a, b in zip(*history, strict=True):
        for name in ("task", "logits", "vertices", "edges"):
            assert a[name] == pytest.approx(b[name], rel=TOLERANCE)


def test_accumulating_two_batches_takes_one_step(tmp_path: Path, teacher: Path) -> None:
    # BatchNorm sees each half alone, so the weights differ from one whole batch; the number of forward passes shows it.
    flags = ["--teacher", str(teacher), "--network", "shift_gcn_student", "--optimiser.epochs", "1"]
    train("student", tmp_path / "run", *flags, "--optimiser.batch", "6", "--optimiser.accumulate", "2")
    state = load_checkpoint(tmp_path / "run").network
    steps = {int(value) for name, value in state.items() if name.endswith("num_batches_tracked")}
    assert steps == {36 // 6} and state["fc.weight"].dtype == torch.float64


INTERRUPTED = """
import os, signal
from train.__main__ import main
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
press = lambda: os.kill(os.getpid(), signal.SIGINT)
os.register_at_fork(before=press, after_in_child=press)
main()
"""


def test_ctrl_c_while_workers_are_forked_ends_a_training_in_one_line(tmp_path: Path) -> None:
    words = command("teacher", tmp_path / "run", "--network", "dense_gcn", "--hardware.workers", "1")
    words[1:3] = ["-c", INTERRUPTED]
    stopped = subprocess.run(words, capture_output=True, text=True, timeout=300)
    assert stopped.returncode == 130 and stopped.stderr.splitlines()[-1] == "interrupted"
    assert "Traceback" not in stopped.stderr and not (tmp_path / "run" / FILE).exists()


def test_a_training_killed_in_the_middle_of_an_epoch_resumes_to_the_same_weights(tmp_path: Path, teacher: Path) -> None:
    flags = ["--teacher", str(teacher), "--network", "dense_gcn", "--optimiser.epochs", "6", "--optimiser.batch", "4"]
    flags += ["--optimiser.average", "0.9", "--hardware.workers", "1"]
    train("student", tmp_path / "whole", *flags)

    run = subprocess.Popen(
        command("student", tmp_path / "killed", *flags), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        start_new_session=True,
    )  # fmt: skip
    deadline = time.monotonic() + 120
    while not (tmp_path / "killed" / FILE).is_file() and time.monotonic() < deadline:
        time.sleep(0.005)
    os.killpg(run.pid, signal.SIGKILL)
    run.wait()
    assert 1 <= len(load_checkpoint(tmp_path / "killed").history) < 6, "it was not killed during the training"
    assert not (tmp_path / "killed" / "report.json").exists()

    launch("student", tmp_path / "killed", *flags)
    one, other = (load_checkpoint(tmp_path / name) for name in ("whole", "killed"))
    for part in ("network", "extra", "average", "best"):
        a, b = getattr(one, part), getattr(other, part)
        assert a.keys() == b.keys() and all(torch.equal(a[key], b[key]) for key in a)
    for a, b in zip(one.history, other.history, strict=True):
        assert {**a, "seconds": 0} == {**b, "seconds": 0}
