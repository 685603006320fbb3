"""What is printed, and where: data to stdout, everything else to stderr."""

from __future__ import annotations

import os
from typing import IO, Any, cast

from rich.console import Console
from rich.table import Table

from edge.cli.standard_streams import Stderr, open_closed_streams, writing_stdout

open_closed_streams()
# A class or a file may be called [/b] or :key:, which rich would take for its own.
AS_IT_IS: dict[str, Any] = {"markup": False, "emoji": False, "highlight": False}
if os.environ.get("COLUMNS") == "0":
    del os.environ["COLUMNS"]  # as of a serial line, of which nothing is known; rich would show nothing at all
console = Console(file=cast(IO[str], Stderr()), soft_wrap=True, **AS_IT_IS)
"""Progress, tables and errors go to stderr; stdout is for data."""


class _Data(Console):
    def on_broken_pipe(self) -> None:
        """rich would exit with 1, which a command may have for another reason."""
        raise


def print_data(data: str | Table) -> None:
    """To stdout. Raises OutputError where it cannot be written; whoever reads it may leave early."""
    with writing_stdout():
        _Data(**AS_IT_IS).print(data, soft_wrap=isinstance(data, str))


def print_warning(text: str) -> None:
    """One line about what went wrong and was borne."""
    console.print(f"warning: {text}")
