"""Check arrays of datasets."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.contract.errors import DataError

COPY_AGAIN = "copy it again, or leave it out"


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
            raise DataError(
                f"{name} is {array.dtype} of shape {array.shape}, not {what} of shape ({', '.join(words)})",
                where=path,
                hint=hint,
            )


def clip_slices(path: Path, lengths: NDArray[Any], frames: int) -> list[slice]:
    """Slices of clips of these lengths. Raises DataError unless they add up to ``frames``."""
    if lengths.sum() != frames:
        raise DataError(f"the clips' lengths do not add up to {frames} frames", where=path, hint="copy it again")
    ends = np.cumsum(lengths)
    return [slice(int(end - length), int(end)) for end, length in zip(ends, lengths, strict=True)]
