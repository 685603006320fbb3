"""One process at a time at work in a place, by the system's lock on a file there."""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from edge.contract.errors import OutputError
from edge.contract.files import LOCKS_UNSUPPORTED, wrap_write_errors

_HELD = (errno.EACCES, errno.EAGAIN)


@contextmanager
def alone(lock: Path, of: Path, what: str) -> Iterator[None]:
    """Inside the block no other process does ``what`` to ``of``; ``lock`` is a file that is there meanwhile.

    What counts is the lock on it, which ends with its process however that ends: a file that a killed process left is
    nobody's. Raises OutputError where another one holds it, and where the system lets none be written.
    """
    held = take(lock, of, what)
    try:
        yield
    finally:
        give_back(lock, held)


def take(lock: Path, of: Path, what: str) -> int:
    """The descriptor whose lock is this process's. Raises what :func:`alone` does."""
    with wrap_write_errors(lock):
        while True:
            held = os.open(lock, os.O_RDWR | os.O_CREAT, 0o666)
            try:
                # Not flock, which processes that prepare batches would inherit, and hold longer than a killed training.
                fcntl.lockf(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                if error.errno in LOCKS_UNSUPPORTED:
                    return held
                os.close(held)
                if error.errno in _HELD:
                    raise OutputError(
                        f"another {what} is going on here", where=of, hint="wait for its end, or choose another place"
                    ) from error
                raise
            # Whoever had it may have ended, and removed it, since it was opened.
            if lock.exists() and os.path.samestat(os.fstat(held), lock.stat()):
                return held
            os.close(held)


def give_back(lock: Path, held: int) -> None:
    lock.unlink(missing_ok=True)
    os.close(held)
