"""Bad input ends in one line with what, where and what to do, exit code 2, and no files written.

The cases are in tests/bad_input, one file per kind of input.
"""

import pytest
from bad_input.machines import (  # noqa: F401 rows ask for them by name
    laptop,
    onnxruntime_for_another_numpy,
    opencv_without_windows,
    orin,
    orin_without_driver,
    orin_without_pycuda,
    python_without_paho,
    screen_that_is_not_there,
)
from bad_input.rows import TABLE, disk_as_before, prepared, refused
from bad_input.table import BOARD, WORKSTATION

pytestmark = pytest.mark.usefixtures("laptop")


def files(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("name", TABLE)
def test_one_line_says_what_where_and_what_to_do(name, tmp_path, capfd, request):
    with disk_as_before():
        argv = prepared(name, tmp_path, request)
        before = files(tmp_path)
        line = refused(argv, capfd)
    assert (argv[0] == "edge") == (name in BOARD)
    assert str(TABLE[name].__doc__) in line
    assert files(tmp_path) == before


def test_at_least_thirty_cases_concern_the_board():
    said = {str(row.__doc__) for row in BOARD.values()}
    assert len(said) >= 30 and not set(BOARD) & set(WORKSTATION)
