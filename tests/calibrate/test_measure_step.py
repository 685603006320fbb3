"""A step of `calibrate measure` is a process: its errors, its progress bars, its end with the measurement's."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from documented import ROOT
from stubs import with_stub

from calibrate.measure import Step
from calibrate.measure import _run as run_step

BAR = """
import sys
from rich.console import Console
from rich.progress import Progress
sys.stderr.buffer.write(b"error: not this one\\n\\xff\\n")
sys.stderr.buffer.flush()
with Progress(console=Console(stderr=True), transient=True) as bar:
    bar.advance(bar.add_task("bar", total=2))
print("error: it broke\\n" + "━" * 5000, file=sys.stderr)
sys.exit(2)
"""


@pytest.fixture
def failing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Step:
    """A step that fails after a progress bar, and prints more than is read at once."""
    for name, value in (with_stub(tmp_path / "stub", "failing", BAR) | {"FORCE_COLOR": "1"}).items():
        monkeypatch.setenv(name, value)
    return Step("failing", ("failing",), tmp_path / "none.json")


def test_the_error_after_a_progress_bar_is_reported_and_the_output_shown_whole(failing: Step, capsys) -> None:
    assert run_step(failing)["error"] == "it broke"
    shown = capsys.readouterr().err
    assert shown.startswith("error: not this one\n\ufffd\n")  # a byte that is not text
    assert shown.endswith("\x1b[1A\x1b[2Kerror: it broke\n" + "━" * 5000 + "\n")


def test_a_step_ends_although_nobody_reads_what_it_prints(failing: Step) -> None:
    """As in `measure 2>&1 | head`; the report is what counts."""
    reader, writer = os.pipe()
    os.close(reader)
    code = "from calibrate.measure import *; from calibrate.measure import _run\n"
    code += "sys.exit(_run(Step('failing', ('failing',), Path('none.json')))['exit_code'])"
    with os.fdopen(writer, "w") as broken:
        assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, stderr=broken).returncode == 2


def stub_step(folder: Path, monkeypatch: pytest.MonkeyPatch, code: str) -> Step:
    """A step that runs this code, and writes ``step.json`` if anything does."""
    for name, value in with_stub(folder / "stub", "stubbed", code).items():
        monkeypatch.setenv(name, value)
    return Step("stubbed", ("stubbed",), folder / "step.json")


def test_a_missed_goal_has_its_results_and_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written = (
        f"import pathlib, sys; pathlib.Path({str(tmp_path / 'step.json')!r}).write_text('{{\"top1\": 5}}'); sys.exit(1)"
    )
    found = run_step(stub_step(tmp_path, monkeypatch, written))
    assert (found["exit_code"], found["results"], found["error"]) == (1, {"top1": 5}, None)


@pytest.mark.parametrize("end", ["sys.exit(130)", "signal.signal(2, signal.SIG_DFL); os.kill(os.getpid(), 2)"])
def test_a_step_that_ctrl_c_ended_ends_the_measurement(tmp_path: Path, monkeypatch, end: str) -> None:
    with pytest.raises(KeyboardInterrupt):
        run_step(stub_step(tmp_path, monkeypatch, f"import os, signal, sys; {end}"))


@pytest.mark.parametrize("terminal", [True, False])
def test_a_steps_progress_bars_are_shown_in_a_terminal_only(tmp_path: Path, monkeypatch, terminal: bool) -> None:
    monkeypatch.delenv("FORCE_COLOR", raising=False)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal)
    found = run_step(stub_step(tmp_path, monkeypatch, "import os, sys; sys.exit(3 if os.getenv('FORCE_COLOR') else 4)"))
    assert found["exit_code"] == (3 if terminal else 4)


@pytest.mark.usefixtures("heeds_ctrl_c")
def test_a_step_ends_with_a_measurement_that_is_stopped_alone(tmp_path: Path, monkeypatch) -> None:
    """As by `kill`, while Ctrl-C is sent to both processes."""
    pid = tmp_path / "pid"
    code = f"import os, time; open({str(pid)!r}, 'w').write(str(os.getpid())); os.kill(os.getppid(), 2); time.sleep(60)"
    with pytest.raises(KeyboardInterrupt):
        run_step(stub_step(tmp_path, monkeypatch, code))
    command, end = Path(f"/proc/{pid.read_text()}/cmdline"), time.monotonic() + 20
    while command.exists() and command.read_text():  # one that has ended has none
        assert time.monotonic() < end
        time.sleep(0.02)
