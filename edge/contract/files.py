"""Files are written beside their place and then renamed, so that none is ever half there."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.contract.errors import OutputError


@contextmanager
def writing(path: Path) -> Iterator[None]:
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
def replacing(path: Path) -> Iterator[Path]:
    """A path to write to; on success it takes the place of ``path``, on failure it is removed.

    The suffix is kept (``clip.mp4`` is written as ``clip.partial.mp4``), because video writers
    choose the container by it. Raises OutputError where the system refuses, and for what is no file.
    """
    with writing(path):
        # A link stays, and the file that it names is written. Path.resolve would raise no OSError for a link to itself.
        place = Path(os.path.realpath(path))
        partial = place.with_name(f"{place.stem}.partial{path.suffix}")
        place.parent.mkdir(parents=True, exist_ok=True)
        # Before the work rather than after it.
        if place.is_dir():
            raise IsADirectoryError(errno.EISDIR, "a folder has this name")
        if place.exists() and not place.is_file():
            raise OSError(errno.EINVAL, "it is a pipe or a device")
        try:
            yield partial
            partial.replace(place)
        finally:
            partial.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a file in UTF-8, whole. Raises OutputError where the system refuses."""
    with replacing(path) as partial:
        partial.write_text(text, encoding="utf-8")


def write_json(path: Path, value: Any) -> None:
    """Write a JSON file, whole. Raises OutputError where the system refuses."""
    write_text(path, json.dumps(value, indent=2) + "\n")


def write_arrays(path: Path, **arrays: NDArray[Any]) -> None:
    """Write an .npz file, compressed, whole. Raises OutputError where the system refuses."""
    with replacing(path) as partial:
        np.savez_compressed(partial, allow_pickle=False, **arrays)
