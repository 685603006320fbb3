"""A text file that grows line by line."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from edge.contract.files import atomic_write, wrap_write_errors


@contextmanager
def line_writer(path: Path) -> Iterator[Callable[[str], None]]:
    """Writes lines, given without their end; the file appears whole. Raises OutputError where it cannot be written."""
    with atomic_write(path) as partial:
        # A line a write: whoever follows the file while it grows sees whole lines.
        with wrap_write_errors(path):
            stream = partial.open("w", encoding="utf-8", buffering=1)

        def write(line: str) -> None:
            # Named here: on its way out the error passes other sinks, which would take it for theirs.
            with wrap_write_errors(path):
                stream.write(line + "\n")

        try:
            yield write
        finally:
            with wrap_write_errors(path):
                stream.close()
