"""A progress bar of epochs, trainings or videos, each of which may take minutes."""

from __future__ import annotations

import math
from typing import Any

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


class ProgressBar(Progress):
    """Shows what is counted, the time left, and the task's field ``status``.

    Where ``console`` is no terminal, as in a log, each step is a line.
    """

    def __init__(self, console: Console) -> None:
        columns = TextColumn("{task.description}"), BarColumn(16), MofNCompleteColumn(), TimeRemainingColumn()
        # rich estimates the time left from the last 30 s, in which no step may end.
        super().__init__(
            *columns,
            _StatusColumn(),
            console=console,
            disable=not console.is_terminal,
            speed_estimate_period=math.inf,
        )

    def update(self, task_id: TaskID, **changes: Any) -> None:
        """As rich's."""
        task = self._tasks[task_id]
        before = task.completed
        super().update(task_id, **changes)
        if self.disable and task.completed > before:
            left = TimeRemainingColumn().render(task)
            status = task.fields["status"]
            self.console.print(f"{task.description} {task.completed:g}/{task.total:g}, {left} left  {status}")


class _StatusColumn(ProgressColumn):
    """In a narrow terminal it is shortened, so that bar and numbers keep their width."""

    def __init__(self) -> None:
        super().__init__(Column())

    def render(self, task: Task) -> Text:
        return Text(task.fields["status"], no_wrap=True, overflow="ellipsis")
