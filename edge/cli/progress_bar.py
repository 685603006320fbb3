"""A progress bar in a terminal; elsewhere, as in a log, lines."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Column
from rich.text import Text

from edge.cli.console import console

Item = TypeVar("Item")

LINES_APART_S = 30.0
"""Time between lines about steps of which each may take milliseconds."""


def track(items: Iterable[Item], what: str, total: int) -> Iterator[Item]:
    """Yield the ``total`` items, and show how many of them are done. In a log: now and then, and at the end."""
    with ProgressBar(console, LINES_APART_S) as progress:
        bar = progress.add_task(what, total=total, status="")
        for item in items:
            yield item
            progress.update(bar, advance=1)


class ProgressBar(Progress):
    """Shows what is counted, the time left, and the task's field ``status``.

    Where ``console`` is no terminal, the last step is a line, and others if the line before is ``lines_apart_s`` old.
    """

    def __init__(self, console: Console, lines_apart_s: float = 0.0) -> None:
        columns = TextColumn("{task.description}"), BarColumn(16), MofNCompleteColumn(), TimeRemainingColumn()
        # rich estimates the time left from the last 30 s, in which no step may end.
        super().__init__(
            *columns,
            _StatusColumn(),
            console=console,
            disable=not console.is_terminal,
            speed_estimate_period=math.inf,
        )
        self._lines_apart_s, self._last_line_s = lines_apart_s, time.monotonic()

    def update(self, task_id: TaskID, **changes: Any) -> None:
        """As rich's."""
        task = self._tasks[task_id]
        before = task.completed
        super().update(task_id, **changes)
        is_due = task.finished or time.monotonic() - self._last_line_s >= self._lines_apart_s
        if self.disable and task.completed > before and is_due:
            self._last_line_s = time.monotonic()
            left = TimeRemainingColumn().render(task)
            line = f"{task.description} {task.completed:g}/{task.total:g}, {left} left  {task.fields['status']}"
            self.console.print(line.rstrip())


class _StatusColumn(ProgressColumn):
    """In a narrow terminal it is shortened, so that bar and numbers keep their width."""

    def __init__(self) -> None:
        super().__init__(Column())

    def render(self, task: Task) -> Text:
        return Text(task.fields["status"], no_wrap=True, overflow="ellipsis")
