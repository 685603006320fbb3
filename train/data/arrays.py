"""Opening the packed .npz form of a dataset with errors a user can act on."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.contract.errors import DataError


def read_arrays(path: Path, names: tuple[str, ...]) -> dict[str, NDArray[Any]]:
    """The named arrays of an .npz file; DataError if it is absent, damaged or lacks one."""
    if not path.is_file():
        raise DataError("no such dataset file", where=path, hint="give the folder that holds it with --data")
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return {name: arrays[name] for name in names}
    except KeyError as error:
        raise DataError(f"the file lacks {error}", where=path, hint=f"it must hold {', '.join(names)}") from error
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise DataError(f"not a readable .npz file: {error}", where=path, hint="copy it again") from error
