"""Check arrays of datasets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.contract.errors import DataError


def clip_slices(
    path: Path,
    points: NDArray[Any],
    joint: tuple[int, ...],
    length: NDArray[Any],
    *labels: NDArray[Any],
    columns: tuple[int, ...] = (),
) -> list[slice]:
    """Slices of the N clips in ``points`` (F, V, D).

    Raises DataError unless (V, D) is ``joint``, the lengths (N,) add up to F, ``labels`` have shape (N, *columns), and
    lengths and labels are integers.
    """
    numbers = points.dtype.kind in "fiu" and all(array.dtype.kind in "biu" for array in (length, *labels))
    fits = length.ndim == 1 and all(array.shape == (*length.shape, *columns) for array in labels)
    if not numbers or not fits or points.shape[1:] != joint or length.min(initial=1) < 0 or length.sum() != len(points):
        found = ", ".join(f"{array.dtype} {array.shape}" for array in (length, *labels))
        raise DataError(
            f"joints are {points.dtype} {points.shape}, lengths and labels {found}; they do not fit each other and "
            f"(frames, *{joint})",
            where=path,
            hint="joints must be numbers, lengths and labels integers; copy the file again",
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
