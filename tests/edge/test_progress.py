"""The progress line of a running loop."""

import io
from dataclasses import replace

from people import action, person, result
from rich.console import Console

from edge.loop.progress import progress_line


def test_the_progress_line_shows_the_labels_of_the_annotated_image(monkeypatch):
    terminal = Console(file=io.StringIO(), width=200, force_terminal=True)
    monkeypatch.setattr("edge.loop.progress.console", terminal)
    people = (person(2), person(1, does=action(0.93, "clean_and_jerk")), person(3, does=action(0.4, "unknown")))
    with progress_line(10) as show:
        show(result(*people, replace(person(4), followed=False)))
    output = terminal.file.getvalue()
    assert "#1 clean and jerk 93 %, #2 undecided, #3 unknown, #4 not followed" in output
