"""Read .npz, .mat and JSON files of datasets. All raise DataError if a file is missing, damaged or lacks a name."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.io import loadmat
from scipy.io.matlab import MatReadError

from edge.contract import reading
from edge.contract.errors import DataError

COPY_AGAIN = "copy it again, or leave it out"

# All that SciPy raises on damaged files, found by truncating files and flipping bytes.
_DAMAGED = (MatReadError, OSError, EOFError, ValueError, TypeError, KeyError, IndexError, AttributeError,
            OverflowError, MemoryError, NotImplementedError, struct.error, zlib.error)  # fmt: skip


def damaged(path: Path, what: str) -> DataError:
    """The error to raise for a file whose content is not as it was distributed."""
    return DataError(what, where=path, hint=COPY_AGAIN)


def read_arrays(
    path: Path, shapes: Mapping[str, str | None], instead: str = "", hint: str = COPY_AGAIN
) -> dict[str, NDArray[Any]]:
    """Read arrays of an .npz file. shapes: see :func:`check_arrays`. instead: what the folder may hold instead."""
    _require_file(path, f"contains it, or {instead}" if instead else "contains it")
    found = reading.read_npz(path, DataError, hint, tuple(shapes))
    check_arrays(path, found, shapes, hint)
    return found


def read_json(path: Path, keys: Sequence[str] = ()) -> dict[str, Any]:
    """Read a JSON object that has at least ``keys``."""
    _require_file(path, "contains it")
    found = reading.read_json(path, DataError, COPY_AGAIN)
    _require_names(path, found, keys)
    return found


def read_mat(path: Path, shapes: Mapping[str, str | None]) -> dict[str, NDArray[Any]]:
    """Read variables of a .mat file. shapes: see :func:`check_arrays`."""
    try:
        found = loadmat(path, variable_names=list(shapes))
    except _DAMAGED as error:
        raise damaged(path, f"not a readable .mat file: {error}") from error
    _require_names(path, found, tuple(shapes))
    arrays = {name: np.asarray(found[name]) for name in shapes}
    check_arrays(path, arrays, shapes)
    return arrays


def read_lines(path: Path) -> list[str]:
    """Read the lines of a text file."""
    return reading.read_text(path, DataError, COPY_AGAIN).splitlines()


def files_in(folder: Path, parts: Sequence[str], pattern: str) -> list[Path]:
    """The sorted files that match ``pattern`` in the first of the subfolders ``parts`` that has any."""
    return next((files for part in parts if (files := sorted((folder / part).glob(pattern)))), [])


def check_arrays(
    path: Path, arrays: Mapping[str, NDArray[Any]], shapes: Mapping[str, str | None], hint: str = COPY_AGAIN
) -> None:
    """Raise DataError unless the arrays hold numbers of these shapes.

    shapes: by name, such as "frames 13 2", or "int clips" for integers; None for anything. A word is one size in all of
    them.
    """
    sizes: dict[str, int] = {}
    for name, shape in shapes.items():
        if shape is None:
            continue
        array, words = arrays[name], shape.removeprefix("int ").split()
        what, kinds = ("integers", "biu") if shape.startswith("int ") else ("numbers", "fiu")
        if len(words) == array.ndim:
            sizes = dict(zip(words, array.shape, strict=True)) | sizes
        wanted = [int(word) if word.isdecimal() else sizes.get(word, word) for word in words]
        if list(array.shape) != wanted or array.dtype.kind not in kinds:
            found = f"{name} is {array.dtype} of shape {array.shape}"
            raise DataError(f"{found}, not {what} of shape ({', '.join(words)})", where=path, hint=hint)


def clip_slices(path: Path, lengths: NDArray[Any], frames: int) -> list[slice]:
    """Slices of clips of these lengths. Raises DataError unless they add up to ``frames``."""
    if lengths.sum() != frames:
        raise damaged(path, f"the clips' lengths do not add up to {frames} frames")
    ends = np.cumsum(lengths)
    return [slice(int(end - length), int(end)) for end, length in zip(ends, lengths, strict=True)]


def _require_file(path: Path, contains: str) -> None:
    if not path.is_file():
        raise DataError("no such dataset file", where=path, hint=f"give the folder that {contains}")


def _require_names(path: Path, found: dict[str, Any], names: Sequence[str]) -> None:
    if missing := [name for name in names if name not in found]:
        raise DataError(f"the file lacks {missing[0]!r}", where=path, hint=f"it must contain {', '.join(names)}")
