"""`make int8`: held-out training clips decide whether the student is fine-tuned in INT8, test clips decide nothing.

The Makefile is the real one; Python is a script that logs its arguments and exits with a given code.
"""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PYTHON = """#!/bin/sh
echo "$*" >> "{folder}/calls"
if [ "$3" = verify ]; then
  read code rest < "{folder}/verdicts"; echo "$rest" > "{folder}/verdicts"; exit "$code"
fi
"""


def make_int8(folder: Path, *verdicts: int) -> tuple[int, list[str]]:
    """Run make; return its exit code and the commands that ran. verdicts: exit codes of the calls of `verify`."""
    venv = folder / "venv"
    (venv / "bin").mkdir(parents=True)
    python = venv / "bin" / "python"
    python.write_text(PYTHON.format(folder=folder))
    python.chmod(0o755)
    (venv / "all.stamp").touch()
    (folder / "verdicts").write_text(" ".join(map(str, verdicts)) + "\n")
    # Without the flags of `make test`, which may be silent or a dry run.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    done = subprocess.run(
        ["make", "int8", f"VENV={venv}", f"DATA={folder}", "DATASET=utd_mhad"],
        cwd=ROOT, capture_output=True, text=True, timeout=60, env=environment,
    )  # fmt: skip
    return done.returncode, [_command(call.split()) for call in (folder / "calls").read_text().splitlines()]


def _command(words: list[str]) -> str:
    """Package and command; for `verify` also the clips it uses."""
    command = f"{words[1]} {words[2]}"
    if words[2] != "verify":
        return command
    held_out = ", held out" if "--held_out" in words else ""
    return f"{command} by {Path(words[words.index('--clips') + 1]).name}{held_out}"


DECIDES, REPORTS = "calibrate verify by calibration.npz, held out", "calibrate verify by test.npz"
BEFORE = ["train teacher", "train student", "train export", "calibrate student", DECIDES]
AFTER = [REPORTS, "calibrate gate", "calibrate report"]

pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed: apt-get install make")


def test_within_budget_nothing_is_fine_tuned(tmp_path: Path) -> None:
    assert make_int8(tmp_path, 0, 0) == (0, BEFORE + AFTER)


def test_over_budget_the_student_is_fine_tuned(tmp_path: Path) -> None:
    assert make_int8(tmp_path, 1, 0) == (0, [*BEFORE, "train quantise-aware", *AFTER])


@pytest.mark.parametrize("trained", [[], ["train quantise-aware"]])
def test_test_clips_that_miss_the_budget_are_reported_and_decide_nothing(tmp_path: Path, trained: list[str]) -> None:
    assert make_int8(tmp_path, len(trained), 1) == (0, [*BEFORE, *trained, *AFTER])


@pytest.mark.parametrize("verdicts", [(2,), (0, 2)])
def test_a_failed_verification_is_not_a_missed_budget(tmp_path: Path, verdicts: tuple[int, ...]) -> None:
    code, calls = make_int8(tmp_path, *verdicts)
    assert (code, calls) == (2, [*BEFORE, REPORTS][: len(BEFORE) + len(verdicts) - 1])
