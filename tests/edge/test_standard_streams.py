"""Streams that are closed, full, or whose reader has left: the work goes on, and its files get nobody else's text."""

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
    """The code by Python, its streams as the shell is told."""
    line = f'"{sys.executable}" -c "$CODE" {redirect}'
    return subprocess.run(
        ["bash", "-c", line], env={**os.environ, "CODE": code}, cwd=ROOT, capture_output=True, text=True, timeout=60
    )


@pytest.mark.parametrize("redirect", ["<&- >&- 2>&-", "2>&-", "2>/dev/full", "2>&1 | true"])
def test_work_is_done_whole_whatever_became_of_the_streams(tmp_path, redirect):
    if "full" in redirect and not Path("/dev/full").exists():
        pytest.skip("no /dev/full here")
    run(WORK.format(path=str(tmp_path / "kept.txt")), redirect)
    assert (tmp_path / "kept.txt").read_text() == "whole"


def edge(*words: str) -> str:
    return f"import sys; from edge.__main__ import main; sys.argv = {['edge', *words]!r}; main()"


WRITERS = [("layouts",), ("--help",), ("run", "--help"), ("doctor", "--json"), ("layouts", "--print_config")]
"""What goes to stdout: a table, help short and long, JSON, the configuration."""


@pytest.mark.parametrize("words", WRITERS, ids=" ".join)
def test_data_that_cannot_be_written_are_one_line_and_exit_code_2(words):
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full here")
    done = run(edge(*words), ">/dev/full")
    assert done.stderr.startswith("error: stdout: cannot be written: No space left on device; ")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)


@pytest.mark.parametrize("words", WRITERS[:2], ids=" ".join)
def test_a_stdout_that_was_closed_takes_no_data_in_silence(words):
    done = run(edge(*words), ">&-")
    assert (done.returncode, done.stderr) == (2, "error: stdout: cannot be written: it is closed\n")


@pytest.mark.parametrize("words", WRITERS, ids=" ".join)
def test_a_reader_who_leaves_ends_it_without_a_word(words):
    without_reader = "import os; r, w = os.pipe(); os.close(r); os.dup2(w, 1)"
    done = run(f"{without_reader}; {edge(*words)}", "")
    # What a shell says of a program that SIGPIPE ended.
    assert (done.returncode, done.stderr) == (141, "")


def test_data_reach_stdout_as_they_are():
    said = run("from edge.cli.console import print_data; print_data('{\"a\": \"[bold]' + 'x' * 300 + '[/]\"}')", "")
    assert json.loads(said.stdout)["a"] == f"[bold]{'x' * 300}[/]"


def drained(descriptor: int) -> bytes:
    """What there is to read now."""
    os.set_blocking(descriptor, False)
    read = b""
    while True:
        try:
            read += os.read(descriptor, 1 << 16)
        except BlockingIOError:
            return read


@pytest.mark.parametrize("make", [os.openpty, os.pipe])
def test_a_terminal_that_takes_nothing_is_not_waited_for_and_gets_what_comes_once_it_does(monkeypatch, make):
    reader, writer = make()
    if make is os.openpty:
        tty.setraw(writer)
    monkeypatch.setattr("edge.cli.standard_streams.STUCK_S", 0.2)
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
