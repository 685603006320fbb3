"""Progress in terminals of any width, and in logs."""

import io
import re
import time
from itertools import count

import numpy as np
import pytest
from rich.console import Console

from edge.cli.progress_bar import ProgressBar, track


@pytest.mark.parametrize("width", [50, 70, 200])
def test_in_a_narrow_terminal_the_status_is_truncated_and_the_counts_stay(width):
    written, text = io.StringIO(), "task 0.658  logits 0.672  edges 0.177"
    terminal = Console(file=written, width=width, force_terminal=True, color_system=None)
    with ProgressBar(terminal) as progress:
        progress.add_task("student", total=55, completed=54, status=text)
    line = written.getvalue().split("\r")[-1].partition("\n")[0].removeprefix("\x1b[2K")
    assert line.startswith("student ━") and " 54/55 " in line and "task" in line and len(line) <= width
    assert line.endswith(text) == (width == 200)


def test_without_a_terminal_every_step_is_a_line_with_the_time_left():
    written, minutes = io.StringIO(), count()
    with ProgressBar(Console(file=written, width=20, soft_wrap=True)) as progress:
        progress.get_time = lambda: 60.0 * next(minutes)
        bar = progress.add_task("student", total=5, completed=1, status="")
        for loss in (0.9, 0.7, 0.6):
            progress.update(bar, status="a batch")
            progress.update(bar, advance=1, status=f"task {loss}")
    assert written.getvalue().splitlines() == [
        "student 2/5, -:--:-- left  task 0.9",
        "student 3/5, 0:04:00 left  task 0.7",
        "student 4/5, 0:02:00 left  task 0.6",
    ]


def test_without_a_terminal_short_steps_are_a_line_now_and_then_and_at_the_end(capsys, monkeypatch):
    assert list(track(range(1000), "calibrating", 1000)) == list(range(1000))
    assert re.fullmatch(r"calibrating 1000/1000, \d:\d\d:\d\d left\n", capsys.readouterr().err)
    monkeypatch.setattr("edge.cli.progress_bar.LINES_APART_S", 0.5)
    for _ in track(range(9), "ranking layers", 9):
        time.sleep(0.2)
    done = [int(line.split()[2].partition("/")[0]) for line in capsys.readouterr().err.splitlines()]
    assert 2 <= len(done) <= 4 and done[-1] == 9 and min(np.diff([0, *done])) >= 1
