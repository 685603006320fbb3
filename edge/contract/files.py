"""Atomic writes: a file is written beside its place and then renamed, so that no file is ever incomplete."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.contract.errors import OutputError

LOCK_TIMEOUT_S = 2.0
"""How long to wait for another writer of the same file; most files are written within that time."""
LOCKS_UNSUPPORTED = {errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS}
"""Errors of network drives that do not support locks."""


@contextmanager
def wrap_write_errors(path: Path) -> Iterator[None]:
    """Turn an OSError inside the block into an OutputError that names ``path``."""
    try:
        yield
    except OSError as error:
        raise OutputError(
            f"cannot be written: {error.strerror or error}",
            where=path,
            hint="choose another path, or check free space and permissions there",
        ) from error


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """A temporary folder that is removed after the block.

    Raises OutputError, with a hint about TMPDIR, if the folder or a file in it cannot be written.
    """
    made = None
    try:
        with tempfile.TemporaryDirectory(prefix="skd-") as made:
            yield Path(made)
    except (OSError, OutputError) as error:
        file = error.where if isinstance(error, OutputError) else error.filename
        # An error about a file elsewhere is not ours.
        if made is not None and file is not None and not os.fsdecode(file).startswith(made):
            raise
        why = error.what if isinstance(error, OutputError) else f"cannot be written: {error.strerror or error}"
        raise OutputError(
            f"temporary files {why}",
            where=tempfile.tempdir,
            hint="free some space there, or set TMPDIR to a writable folder",
        ) from error


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """Yield a partial file to write to. On success it replaces ``path``, on failure it is removed.

    The suffix is kept (``clip.mp4`` is written as ``clip.partial.mp4``), because video writers choose the container by
    it. Raises OutputError if the system refuses, ``path`` is not a regular file, or another process is writing it.
    """
    with wrap_write_errors(path):
        target, partial, lock = _open_partial(path)
        try:
            yield partial
            partial.replace(target)
        except BaseException:
            partial.unlink(missing_ok=True)
            raise
        finally:
            os.close(lock)


def require_writable(*paths: Path | None) -> None:
    """Check before a long run that its outputs can be written: raises what :func:`atomic_write` would.

    Creates no file and no folder. Paths that are None are skipped.
    """
    for path in filter(None, paths):
        with wrap_write_errors(path):
            missing = [folder for folder in path.parents if not folder.exists()]
            _, partial, lock = _open_partial(missing[-1] if missing else path)
            partial.unlink(missing_ok=True)
            os.close(lock)


def _open_partial(path: Path) -> tuple[Path, Path, int]:
    """The file to write, the empty partial file beside it, and the descriptor that holds its lock."""
    # A link is kept, and its target is written. Path.resolve raises RuntimeError, not OSError, for a link to itself.
    target = Path(os.path.realpath(path))
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.is_dir():
        raise IsADirectoryError(errno.EISDIR, "it is a folder")
    if target.exists() and not target.is_file():
        raise OSError(errno.EINVAL, "it is a pipe or a device")
    partial = target.with_name(f"{target.stem}.partial{path.suffix}")
    return target, partial, _lock(partial)


def _lock(partial: Path) -> int:
    """Create or empty ``partial`` and lock it until the returned descriptor is closed.

    Two runs with the same output would otherwise mix their lines. The partial file of a killed run is not locked.
    Raises OSError if another process holds the lock.
    """
    deadline_s = time.monotonic() + LOCK_TIMEOUT_S
    while True:
        lock = os.open(partial, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o666)
        with suppress(BlockingIOError):
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                if error.errno == errno.EWOULDBLOCK:
                    raise  # it is another's
                if error.errno not in LOCKS_UNSUPPORTED:
                    os.close(lock)
                    partial.unlink(missing_ok=True)
                    raise
            # The previous holder may have renamed the file since it was opened here.
            if partial.exists() and os.path.samestat(os.fstat(lock), partial.stat()):
                os.truncate(lock, 0)
                return lock
        os.close(lock)
        if time.monotonic() > deadline_s:
            raise OSError(errno.EBUSY, "another process is writing it")
        time.sleep(0.02)


def write_text(path: Path, text: str) -> None:
    """Write a UTF-8 file atomically. Raises OutputError if the system refuses."""
    with atomic_write(path) as partial:
        partial.write_text(text, encoding="utf-8")


def write_json(path: Path, value: Any) -> None:
    """Write a JSON file atomically. Raises OutputError if the system refuses."""
    write_text(path, json.dumps(value, indent=2) + "\n")


def write_arrays(path: Path, **arrays: NDArray[Any]) -> None:
    """Write a compressed .npz file atomically. Raises OutputError if the system refuses."""
    with atomic_write(path) as partial:
        np.savez_compressed(partial, allow_pickle=False, **arrays)
