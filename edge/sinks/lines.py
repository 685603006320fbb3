"""Write a text file line by line."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from edge.contract.files import atomic_write, wrap_write_errors


@contextmanager
def line_writer(path: Path) -> Iterator[Callable[[str], None]]:
    """Yield a function that writes a line, given without its newline. Raises OutputError if the file cannot be written.

    The file gets its name when the block ends.
    """
    with atomic_write(path) as partial:
        # Line buffered, so that `tail -f` on the partial file sees whole lines.
        with wrap_write_errors(path):
            stream = partial.open("w", encoding="utf-8", buffering=1)

        def write(line: str) -> None:
            # Name the file here, before the error passes through other sinks' context managers.
            with wrap_write_errors(path):
                stream.write(line + "\n")

        try:
            yield write
        finally:
            with wrap_write_errors(path):
                stream.close()
