"""Allow only one training at a time per run folder: two would overwrite each other's checkpoints."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from lightning_fabric import Fabric

from edge.contract.errors import OutputError
from train.lock_file import exclusive

LOCK = "training.lock"


@contextmanager
def training_lock(lock: Path, of: Path, fabric: Fabric) -> Iterator[None]:
    """Lock ``of``, a run folder or a network file, against other trainings inside the block.

    The first process takes the lock, see :func:`train.lock_file.exclusive`. If it cannot, every process of this
    training raises the error: the others would wait for its gradients forever.
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
