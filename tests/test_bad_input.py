"""Whatever a user gives that cannot work: one line with what, where and what to do, exit code 2, nothing left behind.

The rows are in tests/bad_input, a file for each kind of thing that is given.
"""

import resource
import sys

import pytest
from bad_input import (  # noqa: F401 each adds its rows to the table
    bundles,
    calibration,
    configuration,
    engines,
    estimators,
    measurements,
    outputs,
    sources,
    training,
)
from bad_input.table import BOARD, NEEDS, WORKSTATION

import calibrate.__main__
import edge.__main__
import train.__main__
from edge.assets import BLAZEPOSE_DETECTOR, BLAZEPOSE_LANDMARKS, fetch
from edge.bench.commands import BENCH_COMMANDS
from edge.command_line import run_command_line
from edge.contract.errors import DownloadError

ROOMS = {
    "edge": edge.__main__.COMMANDS,
    "edge bench": BENCH_COMMANDS,
    "train": train.__main__.COMMANDS,
    "calibrate": calibrate.__main__.COMMANDS,
}
TABLE = {**BOARD, **WORKSTATION}


@pytest.fixture(scope="session")
def blazepose():
    try:
        fetch(BLAZEPOSE_DETECTOR, BLAZEPOSE_LANDMARKS)
    except DownloadError:
        pytest.skip("BlazePose cannot be fetched")


@pytest.fixture(autouse=True)
def laptop(monkeypatch):
    """No TensorRT, no screen."""
    monkeypatch.setitem(sys.modules, "tensorrt", None)
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def orin(laptop, board):
    """TensorRT 10.3 and an Orin, as far as their Python packages tell."""
    board("10.3.0")


@pytest.fixture(autouse=True)
def disk_as_before():
    """A row may limit the size of files; pytest's own report goes to a file too."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def files(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("name", TABLE)
def test_one_line_says_what_where_and_what_to_do(name, tmp_path, capfd, request):
    if name in NEEDS:
        request.getfixturevalue(NEEDS[name])
    argv = [str(word) for word in TABLE[name](tmp_path)]
    assert (argv[0] == "edge") == (name in BOARD)
    room = "edge bench" if argv[:2] == ["edge", "bench"] else argv[0]
    before = files(tmp_path)
    capfd.readouterr()
    with pytest.raises(SystemExit) as left:
        run_command_line(room, "", ROOMS[room], argv[len(room.split()) :])
    said = capfd.readouterr()
    errors = [line for line in said.err.splitlines() if line.startswith("error: ")]
    assert left.value.code == 2 and said.out == ""
    assert len(errors) == 1 and said.err.endswith(errors[0] + "\n"), said.err
    assert "Traceback" not in said.err
    assert files(tmp_path) == before
    assert str(TABLE[name].__doc__) in errors[0]


def test_a_board_is_given_thirty_kinds_of_bad_input_and_more():
    said = [str(row.__doc__) for row in BOARD.values()]
    assert len(set(said)) >= 30
    assert not set(BOARD) & set(WORKSTATION)
