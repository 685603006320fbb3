"""`make int8`: when a missed budget leads to training in eight bits, and what then stops it.

Which commands run is the Makefile's own choice; Python is a script that notes its call and leaves as it is told.
"""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PYTHON = """#!/bin/sh
echo "$2 $3" >> "{folder}/calls"
if [ "$3" = verify ]; then
  read code rest < "{folder}/verdicts"; echo "$rest" > "{folder}/verdicts"; exit "$code"
fi
"""


def make_int8(folder: Path, *verdicts: int) -> tuple[int, list[str]]:
    """make's exit code and the commands that ran, where `verify` leaves with these codes, one after the other."""
    venv = folder / "venv"
    (venv / "bin").mkdir(parents=True)
    python = venv / "bin" / "python"
    python.write_text(PYTHON.format(folder=folder))
    python.chmod(0o755)
    (venv / "all.stamp").touch()
    (folder / "verdicts").write_text(" ".join(map(str, verdicts)) + "\n")
    # `make test` hands its own flags down, and a silent or dry run would be another test.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    done = subprocess.run(
        ["make", "int8", f"VENV={venv}", f"DATA={folder}", "DATASET=utd_mhad"],
        cwd=ROOT, capture_output=True, text=True, timeout=60, env=environment,
    )  # fmt: skip
    return done.returncode, (folder / "calls").read_text().splitlines()


BEFORE = ["train teacher", "train student", "train export", "calibrate student", "calibrate verify"]
AFTER = ["calibrate gate", "calibrate report"]

pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed: apt-get install make")


def test_within_budget_nothing_more_is_trained(tmp_path: Path) -> None:
    assert make_int8(tmp_path, 0) == (0, BEFORE + AFTER)


def test_over_budget_the_student_is_trained_on_in_eight_bits_and_judged_again(tmp_path: Path) -> None:
    again = ["train quantise-aware", "calibrate verify"]
    assert make_int8(tmp_path, 1, 0) == (0, BEFORE + again + AFTER)


def test_what_training_in_eight_bits_does_not_mend_ends_make_before_the_page_is_written(tmp_path: Path) -> None:
    code, calls = make_int8(tmp_path, 1, 1)
    assert (code, calls[-1]) == (2, "calibrate verify")


def test_a_verification_that_could_not_be_made_is_no_missed_budget(tmp_path: Path) -> None:
    code, calls = make_int8(tmp_path, 2)
    assert (code, calls) == (2, BEFORE)
