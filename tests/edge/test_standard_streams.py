"""Standard streams that are closed, full, blocked or without a reader do not stop a run or corrupt its files."""

import json
import os
import subprocess
import sys
import time
import tty
from pathlib import Path

import pytest

from edge.cli.standard_streams import Stderr

ROOT = Path(__file__).parents[2]
WORK = """
import contextlib, os
from edge.cli.console import console, print_data
kept = open({path!r}, "w")
console.print("told")
with contextlib.suppress(OSError):
    os.write(2, b"a native library's chatter")
kept.write("whole")
kept.close()
"""


def run(code: str, redirect: str) -> subprocess.CompletedProcess[str]:
    """Run Python code, with its streams redirected by the shell."""
    line = f'"{sys.executable}" -c "$CODE" {redirect}'
    return subprocess.run(
        ["bash", "-c", line], env={**os.environ, "CODE": code}, cwd=ROOT, capture_output=True, text=True, timeout=60
    )


@pytest.mark.parametrize("redirect", ["<&- >&- 2>&-", "2>&-", "2>/dev/full", "2>&1 | true"])
def test_a_run_completes_whatever_happens_to_its_streams(tmp_path, redirect):
    if "full" in redirect and not Path("/dev/full").exists():
        pytest.skip("no /dev/full here")
    run(WORK.format(path=str(tmp_path / "kept.txt")), redirect)
    assert (tmp_path / "kept.txt").read_text() == "whole"


def edge(*words: str) -> str:
    return f"import sys; from edge.__main__ import main; sys.argv = {['edge', *words]!r}; main()"


WRITERS = [("layouts",), ("--help",), ("run", "--help"), ("doctor", "--json"), ("layouts", "--print_config")]
"""Commands that write to stdout: tables, help, JSON, the configuration."""


@pytest.mark.parametrize("words", WRITERS, ids=" ".join)
def test_stdout_that_cannot_be_written_is_one_line_and_exit_code_2(words):
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full here")
    done = run(edge(*words), ">/dev/full")
    assert done.stderr.startswith("error: stdout: cannot be written: No space left on device; ")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)


@pytest.mark.parametrize("words", WRITERS[:2], ids=" ".join)
def test_a_closed_stdout_is_an_error(words):
    done = run(edge(*words), ">&-")
    assert (done.returncode, done.stderr) == (2, "error: stdout: cannot be written: it is closed\n")


@pytest.mark.parametrize("words", WRITERS, ids=" ".join)
def test_a_broken_pipe_ends_the_command_silently(words):
    without_reader = "import os; r, w = os.pipe(); os.close(r); os.dup2(w, 1)"
    done = run(f"{without_reader}; {edge(*words)}", "")
    # A shell's code for SIGPIPE.
    assert (done.returncode, done.stderr) == (141, "")


def test_data_are_printed_unchanged():
    done = run("from edge.cli.console import print_data; print_data('{\"a\": \"[bold]' + 'x' * 300 + '[/]\"}')", "")
    assert json.loads(done.stdout)["a"] == f"[bold]{'x' * 300}[/]"


def drained(descriptor: int) -> bytes:
    """The data that can be read now."""
    os.set_blocking(descriptor, False)
    read = b""
    while True:
        try:
            read += os.read(descriptor, 1 << 16)
        except BlockingIOError:
            return read


@pytest.mark.parametrize("make", [os.openpty, os.pipe])
def test_a_blocked_terminal_does_not_block_and_gets_later_output(monkeypatch, make):
    reader, writer = make()
    if make is os.openpty:
        tty.setraw(writer)
    monkeypatch.setattr("edge.cli.standard_streams.WRITE_TIMEOUT_S", 0.2)
    with os.fdopen(writer, "w", encoding="utf-8") as stream:
        monkeypatch.setattr(sys, "stderr", stream)
        stderr, begin = Stderr(), time.monotonic()
        for n in range(10_000):
            stderr.write(f"line {n} of many\n")
        assert time.monotonic() - begin < 2
        taken = drained(reader).decode()
        assert len(taken) > 1000 and "".join(f"line {n} of many\n" for n in range(10_000)).startswith(taken)
        stderr.write("back, ä\n")
        assert drained(reader).decode().endswith("back, ä\n")
        assert os.get_blocking(writer), "the shell's own"
    os.close(reader)


SUPPRESSED = """
import os, threading
from edge.cli.console import console
from edge.stderr import suppress_stderr
console.print("before")
with suppress_stderr():
    os.write(2, b"a native library's chatter")
    thread = threading.Thread(target=console.print, args=("during",))
    thread.start()
    thread.join()
console.print("after")
"""


@pytest.mark.parametrize("redirect", ["2>{}", "2>>{}", "2>&1 | cat >{}"])
def test_our_messages_are_written_while_native_libraries_are_silenced(tmp_path, redirect):
    run(SUPPRESSED, redirect.format(tmp_path / "stderr.txt"))
    assert (tmp_path / "stderr.txt").read_text() == "before\nduring\nafter\n"
