"""Keep a run alive when stdin, stdout or stderr is closed, broken or blocked."""

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

from edge.cli.exit_codes import BROKEN_PIPE
from edge.contract.errors import OutputError
from edge.stderr import unsuppressed

_PERMANENT = {errno.EIO, errno.EPIPE}
"""The terminal or the pipe's reader is gone. Other errors, such as a full disk, may pass."""

WRITE_TIMEOUT_S = 2.0
"""A terminal or pipe that blocks for longer is not waited for again until it accepts data."""

_closed: set[str] = set()


def replace_closed_streams() -> None:
    """Open the null device for each standard stream that is closed. Otherwise the next file opened would get its
    descriptor, and the output of native libraries."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            os.dup2(os.open(os.devnull, os.O_RDWR), number)
            _closed.add(name)
            setattr(sys, name, os.fdopen(number, "r" if number == 0 else "w", closefd=False))


@contextmanager
def writing_stdout() -> Iterator[None]:
    """As :func:`flushed_stdout`, and raises OutputError if stdout was closed from the start."""
    if "stdout" in _closed:
        raise OutputError("cannot be written: it is closed", where="stdout")
    with flushed_stdout():
        yield


@contextmanager
def flushed_stdout() -> Iterator[None]:
    """Flush stdout at the end of the block.

    Raises OutputError where it cannot be written; ends the process silently where its reader has closed the pipe.
    """
    try:
        try:
            yield
        finally:
            sys.stdout.flush()
    except OSError as error:
        # Data left in Python's buffer would fail again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        if isinstance(error, BrokenPipeError):
            raise SystemExit(BROKEN_PIPE) from None
        raise OutputError(
            f"cannot be written: {error.strerror or error}",
            where="stdout",
            hint="free space there, or send it elsewhere",
        ) from error


class Stderr(io.TextIOBase):
    """The current ``sys.stderr``, without errors and without blocking: text that cannot be written is dropped.

    A run must not wait for a blocked terminal, as over a stalled SSH connection or after Ctrl-S.
    """

    def __init__(self) -> None:
        self._is_blocked = False

    def write(self, text: str) -> int:
        try:
            self._stream.flush()
            with _duplicate(self._stream) as descriptor:
                if descriptor is None:
                    self._stream.write(text)
                else:
                    self._send(descriptor, text.encode(self._stream.encoding, self._stream.errors or "strict"))
        except OSError as error:
            _detach_if_gone(error)
        return len(text)

    def _send(self, descriptor: int, data: bytes) -> None:
        ready = select.poll()
        ready.register(descriptor, select.POLLOUT)
        while data:
            self._is_blocked = not ready.poll(0 if self._is_blocked else 1000 * WRITE_TIMEOUT_S)
            if self._is_blocked:
                return
            with suppress(BlockingIOError):
                data = data[os.write(descriptor, data) :]

    def flush(self) -> None:
        try:
            self._stream.flush()
        except OSError as error:
            _detach_if_gone(error)

    def isatty(self) -> bool:
        return self._stream.isatty()

    def fileno(self) -> int:
        return self._stream.fileno()

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return self._stream.encoding

    @property
    def _stream(self) -> io.TextIOBase:
        # While a progress bar is shown, rich replaces sys.stderr by a proxy that writes to this object.
        return cast(io.TextIOBase, getattr(sys.stderr, "rich_proxied_file", sys.stderr))


@contextmanager
def _duplicate(stream: io.TextIOBase) -> Iterator[int | None]:
    """A descriptor for the same file, non-blocking for a terminal or pipe; None for a stream that has none."""
    try:
        with unsuppressed(stream.fileno()) as number:
            kind = os.fstat(number).st_mode
            # Opened again, because O_NONBLOCK on the stream's own would also apply to the shell that shares it.
            flags = os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY
            can_block = stat.S_ISCHR(kind) or stat.S_ISFIFO(kind)
            descriptor = os.open(f"/proc/self/fd/{number}", flags) if can_block else os.dup(number)
    except (OSError, ValueError):
        descriptor = None
    try:
        yield descriptor
    finally:
        if descriptor is not None:
            os.close(descriptor)


def _detach_if_gone(error: OSError) -> None:
    """Redirect a lost stderr to the null device: Python's buffer would fail again at exit and change the exit code."""
    if error.errno in _PERMANENT:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
