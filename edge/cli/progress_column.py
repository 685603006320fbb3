"""A column of rich's progress bars for what is told of a task."""

from __future__ import annotations

from rich.progress import ProgressColumn, Task
from rich.table import Column
from rich.text import Text


class StatusColumn(ProgressColumn):
    """The field ``told`` of a task; in a narrow terminal it gives way, where rich would squeeze bar and numbers."""

    def __init__(self) -> None:
        super().__init__(Column())

    def render(self, task: Task) -> Text:
        return Text(task.fields["status"], no_wrap=True, overflow="ellipsis")
