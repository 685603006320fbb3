"""All rows of the table, and what a row says."""

import resource
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from bad_input import (  # noqa: F401 each adds its rows to the table
    bundles,
    calibration,
    configuration,
    engines,
    estimators,
    measurements,
    outputs,
    pose_recordings,
    sources,
    training,
    verification,
)
from bad_input.table import TABLE
from programs import PROGRAMS, program

from edge.cli.command_line import run_command_line


@contextmanager
def disk_as_before() -> Iterator[None]:
    """A row may limit the size of files. No fixture: pytest reports before one ends, and its report may be a file."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def prepared(name: str, folder: Path, request: pytest.FixtureRequest) -> list[str]:
    """The command line of a row, on the machine that it needs."""
    row = TABLE[name]
    if row.needs:
        request.getfixturevalue(row.needs)
    return [str(word) for word in row.prepare(folder)]


def refused(argv: Sequence[str], capfd: pytest.CaptureFixture[str]) -> str:
    """The one line that is said, on stderr and last, with exit code 2."""
    name, words = program(argv)
    capfd.readouterr()
    with pytest.raises(SystemExit) as left:
        run_command_line(name, "", PROGRAMS[name], words)
    said = capfd.readouterr()
    errors = [line for line in said.err.splitlines() if line.startswith("error: ")]
    assert left.value.code == 2 and said.out == ""
    assert len(errors) == 1 and said.err.endswith(errors[0] + "\n"), said.err
    assert "Traceback" not in said.err
    return errors[0]
