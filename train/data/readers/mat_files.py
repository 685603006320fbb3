"""Read MATLAB .mat files."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.io import loadmat
from scipy.io.matlab import MatReadError

from edge.contract.errors import DataError

# All that SciPy raises on damaged files, found by truncating files and flipping bytes.
_DAMAGED = (MatReadError, OSError, EOFError, ValueError, TypeError, KeyError, IndexError, AttributeError,
            OverflowError, MemoryError, NotImplementedError, struct.error, zlib.error)  # fmt: skip


def read_mat(path: Path, names: tuple[str, ...]) -> dict[str, NDArray[Any]]:
    """Read the named variables of a .mat file. Raises DataError if it is missing, damaged or lacks one."""
    try:
        found = loadmat(path, variable_names=list(names))
    except _DAMAGED as error:
        raise DataError(f"not a readable .mat file: {error}", where=path, hint="copy it again") from error
    if missing := [name for name in names if name not in found]:
        raise DataError(f"the file lacks {missing[0]!r}", where=path, hint=f"it must contain {', '.join(names)}")
    return {name: np.asarray(found[name]) for name in names}
