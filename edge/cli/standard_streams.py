"""Standard streams that a service, a pipe or a lost connection has taken away must not end a loop, or get its files."""

from __future__ import annotations

import errno
import io
import os
import select
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import cast

from edge.cli.exit_codes import READER_LEFT
from edge.contract.errors import OutputError

_GONE_FOR_GOOD = {errno.EIO, errno.EPIPE}
"""The terminal was closed, or whoever read the pipe has left. A full disk may have room again."""


STUCK_S = 2.0
"""A terminal or pipe that takes nothing for so long is not waited for again until it does."""

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
    """``sys.stderr`` as it is at each call; what cannot be written there is left unsaid.

    Neither a camera nor a training waits for a terminal that takes nothing, as that of a connection whose other end
    sleeps, or of a shell that was told Ctrl-S.
    """

    def __init__(self) -> None:
        self._is_stuck = False

    def write(self, text: str) -> int:
        try:
            self._now.flush()
            with _without_waiting(self._now) as descriptor:
                if descriptor is None:
                    self._now.write(text)
                else:
                    self._send(descriptor, text.encode(self._now.encoding, self._now.errors or "strict"))
        except OSError as error:
            _give_up(error)
        return len(text)

    def _send(self, descriptor: int, data: bytes) -> None:
        ready = select.poll()
        ready.register(descriptor, select.POLLOUT)
        while data:
            self._is_stuck = not ready.poll(0 if self._is_stuck else 1000 * STUCK_S)
            if self._is_stuck:
                return
            with suppress(BlockingIOError):
                data = data[os.write(descriptor, data) :]

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


@contextmanager
def _without_waiting(stream: io.TextIOBase) -> Iterator[int | None]:
    """A descriptor to a terminal or pipe whose writes never wait; None for what never does, or is no file at all."""
    try:
        kind = os.fstat(stream.fileno()).st_mode
        # Opened anew, because the stream's own is shared with the shell, which may wait.
        flags = os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY
        is_slow = stat.S_ISCHR(kind) or stat.S_ISFIFO(kind)
        descriptor = os.open(f"/proc/self/fd/{stream.fileno()}", flags) if is_slow else None
    except (OSError, ValueError):
        descriptor = None
    try:
        yield descriptor
    finally:
        if descriptor is not None:
            os.close(descriptor)


def _give_up(error: OSError) -> None:
    """Nothing stays in Python's buffer to fail once more at exit, which would change the exit code."""
    if error.errno in _GONE_FOR_GOOD:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
