"""Progress lines in terminals of any width."""

import io
from dataclasses import replace

import pytest
from people import action, person, result
from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress, TextColumn

from edge.cli.progress_column import StatusColumn
from edge.loop.progress import progress_line


@pytest.mark.parametrize("width", [40, 60, 200])
def test_in_a_narrow_terminal_the_status_is_truncated_and_the_counts_stay(width):
    written, text = io.StringIO(), "task 0.658  logits 0.672  edges 0.177"
    columns = (TextColumn("{task.description}"), MofNCompleteColumn(), StatusColumn())
    with Progress(*columns, console=Console(file=written, width=width)) as progress:
        progress.add_task("student", total=55, completed=54, status=text)
    line = written.getvalue().rstrip("\n")
    assert line.startswith("student 54/55 task") and "\n" not in line and len(line) <= width
    assert line.endswith(text) == (width >= 60)


def test_the_progress_line_shows_the_labels_of_the_annotated_image(monkeypatch):
    terminal = Console(file=io.StringIO(), width=200, force_terminal=True)
    monkeypatch.setattr("edge.loop.progress.console", terminal)
    people = (person(2), person(1, does=action(0.93, "clean_and_jerk")), person(3, does=action(0.4, "unknown")))
    with progress_line(10) as show:
        show(result(*people, replace(person(4), followed=False)))
    output = terminal.file.getvalue()
    assert "#1 clean and jerk 93 %, #2 watching, #3 unknown, #4 not followed" in output
