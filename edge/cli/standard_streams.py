"""Standard streams that a service, a pipe or a lost connection has taken away must not end a loop, or get its files."""

from __future__ import annotations

import errno
import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import cast

from edge.cli.exit_codes import READER_LEFT
from edge.contract.errors import OutputError

_GONE_FOR_GOOD = {errno.EIO, errno.EPIPE}
"""The terminal was closed, or whoever read the pipe has left. A full disk may have room again."""


_closed: set[str] = set()


def open_closed_streams() -> None:
    """Whichever of stdin, stdout and stderr was closed becomes the null device: the next file that is opened would get
    its number, and then what native libraries print."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            os.dup2(os.open(os.devnull, os.O_RDWR), number)
            _closed.add(name)
            setattr(sys, name, os.fdopen(number, "r" if number == 0 else "w", closefd=False))


@contextmanager
def writing_stdout() -> Iterator[None]:
    """Around a block that writes data: as :func:`flushed_stdout`, and a stdout that was closed is refused too."""
    if "stdout" in _closed:
        raise OutputError("cannot be written: it is closed", where="stdout")
    with flushed_stdout():
        yield


@contextmanager
def flushed_stdout() -> Iterator[None]:
    """What the block may write to stdout has got there when the block ends.

    Raises OutputError where it cannot be written, and ends the process without a word where its reader has left.
    """
    try:
        try:
            yield
        finally:
            sys.stdout.flush()
    except OSError as error:
        # What is left in Python's buffer would fail once more at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        if isinstance(error, BrokenPipeError):
            raise SystemExit(READER_LEFT) from None
        raise OutputError(
            f"cannot be written: {error.strerror or error}",
            where="stdout",
            hint="free space there, or send it elsewhere",
        ) from error


class Stderr(io.TextIOBase):
    """``sys.stderr`` as it is at each call; what cannot be written there is left unsaid."""

    def write(self, text: str) -> int:
        try:
            self._now.write(text)
        except OSError as error:
            _give_up(error)
        return len(text)

    def flush(self) -> None:
        try:
            self._now.flush()
        except OSError as error:
            _give_up(error)

    def isatty(self) -> bool:
        return self._now.isatty()

    def fileno(self) -> int:
        return self._now.fileno()

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return self._now.encoding

    @property
    def _now(self) -> io.TextIOBase:
        # While a progress bar is shown, rich has its own in this place, which writes here.
        return cast(io.TextIOBase, getattr(sys.stderr, "rich_proxied_file", sys.stderr))


def _give_up(error: OSError) -> None:
    """Nothing stays in Python's buffer to fail once more at exit, which would change the exit code."""
    if error.errno in _GONE_FOR_GOOD:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
