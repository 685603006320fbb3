"""The progress line of a running loop."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn
from rich.text import Text

from edge.cli.console import console
from edge.contract.types import FrameResult
from edge.recognition.label_text import label_text


@contextmanager
def progress_line(total: int | None) -> Iterator[Callable[[FrameResult], None]]:
    """Show frames processed, frames per second and everybody's action; nothing if stderr is not a terminal."""
    columns = (BarColumn(24), MofNCompleteColumn(), _Rate(), TextColumn("{task.description}", markup=False))
    with Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as progress:
        bar = progress.add_task("", total=total)
        yield lambda result: progress.update(bar, advance=1, description=_summary(result))


class _Rate(ProgressColumn):
    """Frames per second."""

    def render(self, task: Task) -> Text:
        return Text(f"{task.speed:.1f}/s" if task.speed else "")


def _summary(result: FrameResult) -> str:
    """For example "#1 squat 93 %, #2 undecided"."""
    if result.failure is not None:
        return result.failure
    people = sorted(result.people, key=lambda person: person.track_id)
    return ", ".join(" ".join(filter(None, (f"#{person.track_id}", *label_text(person)))) for person in people)
