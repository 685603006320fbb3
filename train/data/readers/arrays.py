"""Opening the packed .npz form of a dataset with errors a user can act on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.contract.errors import DataError
from edge.contract.reading import read_npz


def read_arrays(path: Path, names: tuple[str, ...], instead: str = "") -> dict[str, NDArray[Any]]:
    """The named arrays of an .npz file; DataError if it is absent, damaged or lacks one.

    instead: what else the folder may hold, for the hint where the file is absent.
    """
    if not path.is_file():
        holds = f"holds it, or {instead}," if instead else "holds it"
        raise DataError("no such dataset file", where=path, hint=f"give the folder that {holds} with --data.folder")
    return read_npz(path, DataError, "copy it again", names)


def clip_slices(
    path: Path, points: NDArray[Any], joint: tuple[int, ...], length: NDArray[Any], *labels: NDArray[Any]
) -> list[slice]:
    """Where each clip lies in ``points`` (F, V, D); DataError unless these are of shape ``joint`` = (V, D) each,
    the lengths add up to F, and there is one of each of ``labels`` for every clip, all of them whole numbers.
    """
    whole = [array.dtype.kind in "biu" and array.ndim for array in (length, *labels)]
    if not all(whole) or length.ndim != 1 or points.dtype.kind not in "fiu":
        raise DataError(
            f"joints are {points.dtype}, lengths and labels {', '.join(str(a.dtype) for a in (length, *labels))} "
            f"of {', '.join(str(a.ndim) for a in (length, *labels))} axes",
            where=path,
            hint="these should be numbers, lengths and labels whole ones; copy it again",
        )
    if (
        points.shape[1:] != joint
        or length.min(initial=1) < 0
        or length.sum() != len(points)
        or any(len(a) != len(length) for a in labels)
    ):
        raise DataError(
            f"joints of shape {points.shape}, {len(length)} clips of {int(length.sum())} frames in all and "
            f"{' or '.join(str(len(a)) for a in labels)} labels do not fit each other and (frames, *{joint})",
            where=path,
            hint="copy it again",
        )
    ends = np.cumsum(length)
    return [slice(int(end - frames), int(end)) for end, frames in zip(ends, length, strict=True)]


def as_float32(path: Path, name: str, values: NDArray[Any], shape: tuple[int | None, ...]) -> NDArray[np.float32]:
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
