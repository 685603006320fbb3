"""Files are written beside their place and then renamed, so that none is ever half there."""

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

PATIENCE_S = 2.0
"""Most files are written in a moment, so that the other one is waited for before it is called a run of its own."""
LOCKS_UNSUPPORTED = {errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS}
"""What network drives say that know of none."""


@contextmanager
def wrap_write_errors(path: Path) -> Iterator[None]:
    """Turns what the system refuses inside the block into an OutputError that names ``path``."""
    try:
        yield
    except OSError as error:
        raise OutputError(
            f"cannot be written: {error.strerror or error}",
            where=path,
            hint="choose another place, or free space and rights there",
        ) from error


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """A folder that is gone after the block.

    Raises OutputError, which names TMPDIR, where the folder or what is in it cannot be written.
    """
    made = None
    try:
        with tempfile.TemporaryDirectory(prefix="skd-") as made:
            yield Path(made)
    except OSError as error:
        # Whoever works in the block has other files too, whose errors have their names.
        if made is not None and error.filename is not None and not os.fsdecode(error.filename).startswith(made):
            raise
        raise OutputError(
            f"temporary files cannot be written: {error.strerror or error}",
            where=tempfile.tempdir,
            hint="free space there, or set TMPDIR to a folder that can be written",
        ) from error


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """A path to write to; on success it takes the place of ``path``, on failure it is removed.

    The suffix is kept (``clip.mp4`` is written as ``clip.partial.mp4``), because video writers
    choose the container by it. Raises OutputError where the system refuses, for what is no file, and where another
    process is writing the same file.
    """
    with wrap_write_errors(path):
        place, partial, held = _begun(path)
        try:
            yield partial
            partial.replace(place)
        except BaseException:
            partial.unlink(missing_ok=True)
            raise
        finally:
            # Once it is in its place, a file of the partial's name is another run's.
            os.close(held)


def require_writable(*paths: Path | None) -> None:
    """Before a long work whose result they are to hold: raises what :func:`atomic_write` would, and leaves no file.

    None: a file that nobody asked for.
    """
    for path in filter(None, paths):
        with wrap_write_errors(path):
            _, partial, held = _begun(path)
            partial.unlink(missing_ok=True)
            os.close(held)


def _begun(path: Path) -> tuple[Path, Path, int]:
    """The file to write, the partial one beside it, empty, and the descriptor that keeps others off that."""
    # A link stays, and the file that it names is written. Path.resolve would raise no OSError for a link to itself.
    place = Path(os.path.realpath(path))
    place.parent.mkdir(parents=True, exist_ok=True)
    # Before the work rather than after it.
    if place.is_dir():
        raise IsADirectoryError(errno.EISDIR, "a folder has this name")
    if place.exists() and not place.is_file():
        raise OSError(errno.EINVAL, "it is a pipe or a device")
    partial = place.with_name(f"{place.stem}.partial{path.suffix}")
    return place, partial, _alone(partial)


def _alone(partial: Path) -> int:
    """Empty, and this process's until the descriptor is closed: two runs of the same output would mix their lines.

    What a run left that was killed is nobody's. Raises OSError where another process keeps it.
    """
    end_s = time.monotonic() + PATIENCE_S
    while True:
        held = os.open(partial, os.O_RDWR | os.O_CREAT, 0o666)
        with suppress(BlockingIOError):
            try:
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                if error.errno not in LOCKS_UNSUPPORTED:
                    raise
            # Whoever had it may have put it in its place since it was opened.
            if partial.exists() and os.path.samestat(os.fstat(held), partial.stat()):
                os.truncate(held, 0)
                return held
        os.close(held)
        if time.monotonic() > end_s:
            raise OSError(errno.EBUSY, "another run is writing it")
        time.sleep(0.02)


def write_text(path: Path, text: str) -> None:
    """Write a file in UTF-8, whole. Raises OutputError where the system refuses."""
    with atomic_write(path) as partial:
        partial.write_text(text, encoding="utf-8")


def write_json(path: Path, value: Any) -> None:
    """Write a JSON file, whole. Raises OutputError where the system refuses."""
    write_text(path, json.dumps(value, indent=2) + "\n")


def write_arrays(path: Path, **arrays: NDArray[Any]) -> None:
    """Write an .npz file, compressed, whole. Raises OutputError where the system refuses."""
    with atomic_write(path) as partial:
        np.savez_compressed(partial, allow_pickle=False, **arrays)
