"""A column of rich's progress bars for a task's status text."""

from __future__ import annotations

from rich.progress import ProgressColumn, Task
from rich.table import Column
from rich.text import Text


class StatusColumn(ProgressColumn):
    """The task's field ``status``; in a narrow terminal it is shortened, so that bar and numbers keep their width."""

    def __init__(self) -> None:
        super().__init__(Column())

    def render(self, task: Task) -> Text:
        return Text(task.fields["status"], no_wrap=True, overflow="ellipsis")
