"""One training at a time in a run's folder: two would write their checkpoints over each other's."""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lightning_fabric import Fabric

from edge.contract.errors import OutputError
from edge.contract.files import NO_LOCKS, writing

LOCK = "training.lock"
_HELD = (errno.EACCES, errno.EAGAIN)


@contextmanager
def only_training(lock: Path, of: Path, fabric: Fabric) -> Iterator[None]:
    """No other training of ``of``, a run's folder or a network's file, goes on inside the block.

    ``lock`` is a file that is there meanwhile. What counts is the system's lock on it, which ends with its process
    however that ends: a file that a killed training left is nobody's. Raises OutputError, in every process of this
    training, where another one holds it, and where the system lets none be written.
    """
    held, refused = -1, None
    if fabric.is_global_zero:
        try:
            held = _taken(lock, of)
        except OutputError as error:
            refused = error
    # Without being told, the other processes would wait for the first one's gradients.
    if (refused := fabric.broadcast(refused)) is not None:
        raise refused
    try:
        yield
    finally:
        if held >= 0:
            lock.unlink(missing_ok=True)
            os.close(held)


def _taken(lock: Path, of: Path) -> int:
    """The descriptor whose lock is this process's."""
    with writing(lock):
        while True:
            held = os.open(lock, os.O_RDWR | os.O_CREAT, 0o666)
            try:
                # Not flock, which processes that prepare batches would inherit, and hold longer than a killed training.
                fcntl.lockf(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                if error.errno in NO_LOCKS:
                    return held
                os.close(held)
                if error.errno in _HELD:
                    raise OutputError(
                        "another training is going on here", where=of, hint="wait for its end, or choose another place"
                    ) from error
                raise
            # Whoever had it may have ended, and removed it, since it was opened.
            if lock.exists() and os.path.samestat(os.fstat(held), lock.stat()):
                return held
            os.close(held)
