"""Console output: data goes to stdout, everything else to stderr."""

from __future__ import annotations

import os
from typing import IO, Any, cast

from rich.console import Console
from rich.table import Table
from rich.text import Text

from edge.cli.standard_streams import Stderr, replace_closed_streams, writing_stdout

replace_closed_streams()
# rich would interpret class or file names such as [/b] or :key:.
PLAIN: dict[str, Any] = {"markup": False, "emoji": False, "highlight": False}
if os.environ.get("COLUMNS") == "0":
    del os.environ["COLUMNS"]  # as on a serial line of unknown width, where rich would print nothing
console = Console(file=cast(IO[str], Stderr()), soft_wrap=True, **PLAIN)
"""Progress, tables and errors go to stderr; stdout is for data."""


class _DataConsole(Console):
    def on_broken_pipe(self) -> None:
        """Raise, where rich would exit with code 1, which has another meaning here."""
        raise


def print_data(data: str | Text | Table) -> None:
    """Print to stdout. Raises OutputError where that fails; a reader that closes its pipe early ends the process."""
    with writing_stdout():
        _DataConsole(**PLAIN).print(data, soft_wrap=not isinstance(data, Table))


def print_warning(text: str) -> None:
    """Print one line about a problem that does not end the command."""
    console.print(f"warning: {text}")
