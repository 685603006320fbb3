"""Opening the packed .npz form of a dataset with errors a user can act on."""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.contract.errors import DataError


def read_arrays(path: Path, names: tuple[str, ...], instead: str = "") -> dict[str, NDArray[Any]]:
    """The named arrays of an .npz file; DataError if it is absent, damaged or lacks one.

    instead: what else the folder may hold, for the hint where the file is absent.
    """
    if not path.is_file():
        holds = f"holds it, or {instead}," if instead else "holds it"
        raise DataError("no such dataset file", where=path, hint=f"give the folder that {holds} with --data.folder")
    try:
        # numpy leaves a file that is no archive open, unless it was opened here.
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as arrays:
            return {name: arrays[name] for name in names}
    except KeyError as error:
        raise DataError(f"the file lacks {error}", where=path, hint=f"it must hold {', '.join(names)}") from error
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise DataError(f"not a readable .npz file: {error}", where=path, hint="copy it again") from error


def cut(
    path: Path, points: NDArray[Any], joint: tuple[int, ...], length: NDArray[Any], *labels: NDArray[Any]
) -> list[slice]:
    """Where each clip lies in ``points`` (F, V, D); DataError unless these are of shape ``joint`` = (V, D) each,
    the lengths add up to F, and there is one of each of ``labels`` for every clip.
    """
    if points.shape[1:] != joint or length.sum() != len(points) or any(len(a) != len(length) for a in labels):
        raise DataError(
            f"joints of shape {points.shape}, {len(length)} clips of {int(length.sum())} frames in all and "
            f"{' or '.join(str(len(a)) for a in labels)} labels do not fit each other and (frames, *{joint})",
            where=path,
            hint="copy it again",
        )
    ends = np.cumsum(length)
    return [slice(int(end - frames), int(end)) for end, frames in zip(ends, length, strict=True)]


def numbers(path: Path, name: str, values: NDArray[Any], shape: tuple[int | None, ...]) -> NDArray[np.float32]:
    """``values`` as float32; DataError unless they are numbers of that shape, None for any size above 0."""
    fits = values.ndim == len(shape) and all(
        size > 0 if wanted is None else size == wanted for size, wanted in zip(values.shape, shape, strict=True)
    )
    if not fits or values.dtype.kind not in "fiu":
        wanted_text = ", ".join("frames" if size is None else str(size) for size in shape)
        raise DataError(
            f"{name} is {values.dtype} of shape {values.shape}, which should be numbers of shape ({wanted_text})",
            where=path,
            hint="copy it again, or leave this clip out",
        )
    return values.astype(np.float32)
