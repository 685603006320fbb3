"""Lines of progress in terminals of any width."""

import io

import pytest
from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress, TextColumn

from edge.progress import Told


@pytest.mark.parametrize("width", [40, 60, 200])
def test_in_a_narrow_terminal_what_is_told_gives_way_and_the_numbers_stay(width):
    written, told = io.StringIO(), "task 0.658  logits 0.672  edges 0.177"
    columns = (TextColumn("{task.description}"), MofNCompleteColumn(), Told())
    with Progress(*columns, console=Console(file=written, width=width)) as progress:
        progress.add_task("student", total=55, completed=54, told=told)
    line = written.getvalue().rstrip("\n")
    assert line.startswith("student 54/55 task") and "\n" not in line and len(line) <= width
    assert line.endswith(told) == (width >= 60)
