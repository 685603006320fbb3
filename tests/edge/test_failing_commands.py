"""Exit code and message of a command that fails."""

import errno
import re
import tempfile
from dataclasses import dataclass

import pytest

from edge.cli.command_line import Command, run_command_line
from edge.contract.errors import MissingDependency


@dataclass(frozen=True)
class Run:
    """A command's configuration."""


def fail_with(function):
    run_command_line("edge", "", {"run": Command(Run, function)}, ["run"])


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (
            PermissionError(errno.EACCES, "Permission denied", "/bundle/a.onnx"),
            r"/bundle/a\.onnx: Permission denied; .+",
        ),
        (OSError(errno.EIO, "Input/output error", b"/bundle/a.onnx"), r"/bundle/a\.onnx: Input/output error; .+"),
        (OSError(errno.EMFILE, "Too many open files", "a"), r"a: Too many open files; .+ulimit -n 4096"),
        (OSError(errno.EMFILE, "Too many open files"), "Too many open files; .+ulimit -n 4096"),
        (MemoryError("Unable to allocate 3 TiB"), "not enough memory: Unable to allocate 3 TiB; .+"),
        (MemoryError(), "not enough memory; .+"),
        (RuntimeError("can't start new thread"), "the system cannot start another thread; .+ulimit -u.+"),
    ],
)
def test_a_system_error_in_a_command_is_one_line(capsys, error, line):
    def refused(run: Run) -> None:
        raise error

    with pytest.raises(SystemExit) as left:
        fail_with(refused)
    assert left.value.code == 2 and re.fullmatch(f"error: {line}\n", capsys.readouterr().err)


def test_a_machine_without_a_writable_temporary_folder_is_told_to_set_tmpdir(capsys, monkeypatch):
    def loading(run: Run) -> None:
        tempfile.gettempdir()  # as PyTorch does while it loads

    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setattr(tempfile, "_candidate_tempdir_list", lambda: ["/proc", "/sys"])  # where nobody can write
    with pytest.raises(SystemExit) as left:
        fail_with(loading)
    assert left.value.code == 2 and re.fullmatch("error: .+ set TMPDIR to a writable folder\n", capsys.readouterr().err)


def test_ctrl_c_during_an_import_is_not_a_missing_library(capsys):
    def loading(run: Run) -> None:
        try:
            try:
                raise KeyboardInterrupt
            except KeyboardInterrupt as ctrl_c:  # as native libraries do
                raise ImportError("initialization failed") from ctrl_c
        except ImportError as error:
            raise MissingDependency("onnxruntime", needed_for="this", install="pip", because=error) from error

    with pytest.raises(SystemExit) as left:
        fail_with(loading)
    assert left.value.code == 130 and capsys.readouterr().err == "interrupted\n"


@pytest.mark.parametrize(
    "error",
    [
        FileNotFoundError(errno.ENOENT, "No such file or directory", "a"),
        FileNotFoundError("of a library, about a file of its own"),
        OSError(errno.EACCES, "Permission denied"),
    ],
)
def test_a_bug_keeps_its_traceback(error):
    def wrong(run: Run) -> None:
        raise error

    with pytest.raises(type(error)):
        fail_with(wrong)
