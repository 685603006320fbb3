"""Bad input ends in one line with what, where and what to do, exit code 2, and no files written.

The cases are in tests/bad_input, one file per kind of input.
"""

import pytest
from bad_input.rows import TABLE, disk_as_before, prepared, refused

pytestmark = pytest.mark.usefixtures("laptop")


def files(folder):
    """Without timing caches, which a failed build keeps to make the next one shorter."""
    found = [path for path in folder.rglob("*") if path.is_file() and path.suffix != ".timing"]
    return {str(path.relative_to(folder)): path.read_bytes() for path in found}


@pytest.mark.parametrize("name", TABLE)
def test_one_line_says_what_where_and_what_to_do(name, tmp_path, capfd, request):
    with disk_as_before():
        argv = prepared(name, tmp_path, request)
        before = files(tmp_path)
        line = refused(argv, capfd)
    assert TABLE[name].says in line
    assert files(tmp_path) == before
