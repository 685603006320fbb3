"""Of two trainings in one folder the second is refused; a killed one blocks nobody."""

import errno
import fcntl
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from lightning_fabric import Fabric

from edge.cli.command_line import run_command_line
from edge.contract.errors import OutputError
from train.__main__ import COMMANDS
from train.lock_file import TRAINING_LOCK, exclusive, training_lock

TEACHER = ["--data.clips_per_class", "3", "--data.pairs.preprocessing.length_frames", "8", "--width", "4"]
TEACHER += ["--network", "dense_gcn", "--optimiser.epochs", "1", "--hardware.threads", "1"]

# Like a training with data loader workers, one of which outlives it.
HOLDER = """
import os, sys, time
from pathlib import Path
from lightning_fabric import Fabric
from train.lock_file import TRAINING_LOCK, training_lock
folder = Path(sys.argv[1])
with training_lock(folder / TRAINING_LOCK, folder, Fabric(accelerator="cpu", devices=1)):
    if (worker := os.fork()) == 0:
        os.close(1)
        time.sleep(60)
        os._exit(0)
    print(worker, flush=True)
    sys.stdin.readline()
"""


@pytest.fixture
def other(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that locks tmp_path until it reads a line."""
    command = [sys.executable, "-c", HOLDER, str(tmp_path)]
    root = Path(__file__).resolve().parents[2]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=root) as process:
        assert process.stdout is not None
        worker = int(process.stdout.readline())
        yield process
        process.kill()
        os.kill(worker, signal.SIGKILL)


def train(out: Path) -> None:
    """``python -m train teacher`` in that folder."""
    run_command_line("train", "", COMMANDS, ["teacher", "--out", str(out), *TEACHER])


def refused(out: Path, capsys: pytest.CaptureFixture[str]) -> str:
    """Run it; return stderr. It must end with exit code 2."""
    with pytest.raises(SystemExit) as stop:
        train(out)
    assert stop.value.code == 2
    return capsys.readouterr().err


def test_a_second_training_in_a_folder_is_refused_until_the_first_has_ended(
    tmp_path: Path, other: subprocess.Popen[str], capsys: pytest.CaptureFixture[str]
) -> None:
    message = refused(tmp_path, capsys)
    assert message == f"error: {tmp_path}: another training is running here; wait until it ends, or give another path\n"
    assert [path.name for path in tmp_path.iterdir()] == [TRAINING_LOCK]
    other.communicate("end\n")
    assert other.returncode == 0
    train(tmp_path)
    assert (tmp_path / "report.json").is_file() and not (tmp_path / TRAINING_LOCK).exists()


def test_a_killed_training_blocks_nobody_even_while_its_workers_run(
    tmp_path: Path, other: subprocess.Popen[str]
) -> None:
    other.kill()
    other.wait()
    assert (tmp_path / TRAINING_LOCK).exists()
    train(tmp_path)
    assert (tmp_path / "report.json").is_file() and not (tmp_path / TRAINING_LOCK).exists()


def test_a_failed_training_releases_the_lock(tmp_path: Path) -> None:
    fabric = Fabric(accelerator="cpu", devices=1)
    with pytest.raises(ZeroDivisionError), training_lock(tmp_path / TRAINING_LOCK, tmp_path, fabric):
        raise ZeroDivisionError
    with training_lock(tmp_path / TRAINING_LOCK, tmp_path, fabric):
        assert (tmp_path / TRAINING_LOCK).exists()
    assert not list(tmp_path.iterdir())


def test_an_out_folder_that_is_a_file_is_refused_by_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "run").write_text("a file")
    assert refused(tmp_path / "run", capsys).startswith(f"error: {tmp_path}/run: cannot be written: ")


def test_a_lock_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    fabric = Fabric(accelerator="cpu", devices=1)
    with (
        pytest.raises(OutputError, match=r"training\.lock: cannot be written: No such file"),
        training_lock(tmp_path / "nowhere" / TRAINING_LOCK, tmp_path, fabric),
    ):
        pytest.fail("nothing is begun")


def test_the_other_processes_of_a_training_are_refused_with_the_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broadcast(*_: object) -> OutputError:
        assert not list(tmp_path.iterdir()), "they take no lock of their own"
        return OutputError("the first was refused")

    monkeypatch.setattr(Fabric, "is_global_zero", False)
    monkeypatch.setattr(Fabric, "broadcast", broadcast)
    with (
        pytest.raises(OutputError, match="the first was refused"),
        training_lock(tmp_path / TRAINING_LOCK, tmp_path, Fabric(accelerator="cpu", devices=1)),
    ):
        pytest.fail("nothing is begun")


def test_a_lock_file_that_its_former_holder_removes_meanwhile_is_opened_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock, steps = tmp_path / TRAINING_LOCK, [Path.unlink, lambda path: (path.unlink(), path.touch()), Path.exists]
    monkeypatch.setattr(fcntl, "lockf", lambda *_: steps.pop(0)(lock))
    with exclusive(lock, tmp_path, "training"):
        assert not steps and lock.exists()


def test_a_folder_that_supports_no_locks_is_not_locked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unsupported(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "lockf", unsupported)
    with exclusive(tmp_path / TRAINING_LOCK, tmp_path, "training"):
        (tmp_path / TRAINING_LOCK).unlink()  # as another training there may do
