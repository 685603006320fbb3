"""GitHub's workflow tests the Python version that it names, whatever else is installed."""

import os
import subprocess

import pytest
import yaml
from documented import ROOT

JOB = yaml.safe_load((ROOT / ".github/workflows/test.yml").read_text(encoding="utf-8"))["jobs"]["test"]
PYTHON = """#!/bin/sh
[ "$1" = -c ] && exit 0
mkdir -p "$3/bin" && basename "$0" > "$3/bin/python"
"""
"""A fake Python: supported, and it creates virtual environments that say which Python made them."""


@pytest.mark.parametrize("version", JOB["strategy"]["matrix"]["python"])
def test_each_job_uses_its_own_python(version, tmp_path):
    for name in ("python3.12", "python3.11", "python3.10"):  # Ubuntu 24.04 comes with the first
        program = tmp_path / name
        program.write_text(PYTHON)
        program.chmod(0o755)
    (step,) = [step for step in JOB["steps"] if step.get("run") == ".ci/run"]
    given = {key: value.replace("${{ matrix.python }}", version) for key, value in step.get("env", {}).items()}
    done = subprocess.run(
        ["make", f"VENV={tmp_path / 'venv'}", str(tmp_path / "venv/bin/python")],
        cwd=ROOT,
        # An outer make's variables, such as PYTHON, would take precedence.
        env={**os.environ, "MAKEFLAGS": "", "PATH": f"{tmp_path}:{os.environ['PATH']}", **given},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "venv/bin/python").read_text().strip() == f"python{version}"
