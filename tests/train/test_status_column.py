"""Progress lines in terminals of any width."""

import io

import pytest
from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress, TextColumn

from train.status_column import StatusColumn


@pytest.mark.parametrize("width", [40, 60, 200])
def test_in_a_narrow_terminal_the_status_is_truncated_and_the_counts_stay(width):
    written, text = io.StringIO(), "task 0.658  logits 0.672  edges 0.177"
    columns = (TextColumn("{task.description}"), MofNCompleteColumn(), StatusColumn())
    with Progress(*columns, console=Console(file=written, width=width)) as progress:
        progress.add_task("student", total=55, completed=54, status=text)
    line = written.getvalue().rstrip("\n")
    assert line.startswith("student 54/55 task") and "\n" not in line and len(line) <= width
    assert line.endswith(text) == (width >= 60)
