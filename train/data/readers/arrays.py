"""Read and check datasets packed as .npz files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.contract.errors import DataError
from edge.contract.reading import read_npz


def read_arrays(path: Path, names: tuple[str, ...], instead: str = "") -> dict[str, NDArray[Any]]:
    """Read the named arrays of an .npz file. Raises DataError if it is missing, damaged or lacks one.

    instead: what the folder may hold instead of the file, for the hint.
    """
    if not path.is_file():
        contains = f"contains it, or {instead}," if instead else "contains it"
        raise DataError("no such dataset file", where=path, hint=f"give the folder that {contains} with --data.folder")
    return read_npz(path, DataError, "copy it again", names)


def clip_slices(
    path: Path, points: NDArray[Any], joint: tuple[int, ...], length: NDArray[Any], *labels: NDArray[Any]
) -> list[slice]:
    """Slices of the clips in ``points`` (F, V, D).

    Raises DataError unless (V, D) is ``joint``, the lengths add up to F, each of ``labels`` has one entry per clip, and
    lengths and labels are integers.
    """
    whole = [array.dtype.kind in "biu" and array.ndim for array in (length, *labels)]
    if not all(whole) or length.ndim != 1 or points.dtype.kind not in "fiu":
        raise DataError(
            f"joints are {points.dtype}, lengths and labels {', '.join(str(a.dtype) for a in (length, *labels))} "
            f"of {', '.join(str(a.ndim) for a in (length, *labels))} axes",
            where=path,
            hint="joints must be numbers, lengths and labels integers; copy the file again",
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
    """Convert to float32. Raises DataError unless values are numbers of this shape; None is any size above 0."""
    fits = values.ndim == len(shape) and all(
        size > 0 if wanted is None else size == wanted for size, wanted in zip(values.shape, shape, strict=True)
    )
    if not fits or values.dtype.kind not in "fiu":
        wanted_text = ", ".join("frames" if size is None else str(size) for size in shape)
        raise DataError(
            f"{name} is {values.dtype} of shape {values.shape}, not numbers of shape ({wanted_text})",
            where=path,
            hint="copy it again, or leave this clip out",
        )
    return values.astype(np.float32)
