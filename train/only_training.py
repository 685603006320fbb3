"""One training at a time in a run's folder: two would write their checkpoints over each other's."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lightning_fabric import Fabric

from edge.contract.errors import OutputError
from train.lock_file import give_back, take

LOCK = "training.lock"


@contextmanager
def only_training(lock: Path, of: Path, fabric: Fabric) -> Iterator[None]:
    """No other training of ``of``, a run's folder or a network's file, goes on inside the block.

    See :func:`train.lock_file.alone`; what that raises is raised in every process of this training.
    """
    held, refused = -1, None
    if fabric.is_global_zero:
        try:
            held = take(lock, of, "training")
        except OutputError as error:
            refused = error
    # Without being told, the other processes would wait for the first one's gradients.
    if (refused := fabric.broadcast(refused)) is not None:
        raise refused
    try:
        yield
    finally:
        if held >= 0:
            give_back(lock, held)
