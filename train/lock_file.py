"""An exclusive lock on a file, so that only one process at a time works in a folder, or one training of several."""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from edge.contract.errors import OutputError
from edge.contract.files import LOCKS_UNSUPPORTED, wrap_write_errors

if TYPE_CHECKING:  # it imports PyTorch, which `--help` does not
    from lightning_fabric import Fabric

TRAINING_LOCK = "training.lock"
_LOCKED = (errno.EACCES, errno.EAGAIN)


@contextmanager
def exclusive(lock: Path, of: Path, what: str) -> Iterator[None]:
    """Hold the lock file ``lock`` inside the block, so that no other process does ``what`` to ``of``.

    The operating system releases the lock when the process ends, so a file that a killed process left blocks nobody.
    Raises OutputError if another process holds the lock, or if the file cannot be written.
    """
    descriptor = _acquire(lock, of, what)
    try:
        yield
    finally:
        lock.unlink(missing_ok=True)
        os.close(descriptor)


@contextmanager
def training_lock(lock: Path, of: Path, fabric: Fabric) -> Iterator[None]:
    """Lock ``of``, a run folder or a network file, against other trainings, which would overwrite its checkpoints.

    The first process takes the lock. If it cannot, every process of this training raises the OutputError: the others
    would wait for its gradients forever.
    """
    with ExitStack() as stack:
        refused = None
        if fabric.is_global_zero:
            try:
                stack.enter_context(exclusive(lock, of, "training"))
            except OutputError as error:
                refused = error
        if (refused := fabric.broadcast(refused)) is not None:
            raise refused
        yield


def _acquire(lock: Path, of: Path, what: str) -> int:
    """Take the lock and return its file descriptor."""
    with wrap_write_errors(lock):
        while True:
            descriptor = os.open(lock, os.O_RDWR | os.O_CREAT, 0o666)
            try:
                # Not flock: the data loader's workers would inherit it and keep it after a training is killed.
                fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                if error.errno in LOCKS_UNSUPPORTED:
                    return descriptor
                os.close(descriptor)
                if error.errno in _LOCKED:
                    raise OutputError(
                        f"another {what} is running here", where=of, hint="wait until it ends, or give another path"
                    ) from error
                raise
            # The previous holder may have removed the file between open and lock: then lock the new one.
            if lock.exists() and os.path.samestat(os.fstat(descriptor), lock.stat()):
                return descriptor
            os.close(descriptor)
