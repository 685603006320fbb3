"""What PyTorch raises on files that are damaged, or that it did not write."""

from __future__ import annotations

import pickle
import textwrap
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from edge.contract.errors import DataError

DAMAGED = (RuntimeError, pickle.UnpicklingError, EOFError, TypeError, ValueError, LookupError, AttributeError, OSError,
           AssertionError)  # fmt: skip
"""Of ``torch.load``: a damaged pickle fails wherever its reader happens to stumble."""


def unchanged(path: Path) -> Path:
    """The file, after the checksums inside it were found right: ``torch.load`` takes changed weights without a word.

    Raises ValueError for one that has changed, or that PyTorch did not write.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            changed = archive.testzip()
    except zipfile.BadZipFile as error:
        raise ValueError(f"PyTorch did not write it, or its end is missing ({error})") from error
    if changed is not None:
        raise ValueError(f"{changed} inside it has changed")
    return path


@contextmanager
def refuse_other_version(path: Path) -> Iterator[None]:
    """Turn what goes wrong when the content of an intact file is used into a DataError about its version."""
    try:
        yield
    except (RuntimeError, LookupError, TypeError, ValueError) as error:
        what = f"{type(error).__name__} {textwrap.shorten(str(error), 160)}"
        raise DataError(
            f"written by another version of skd-edge, and does not fit this one: {what}",
            where=path,
            hint="remove it and train again, or use the version that wrote it",
        ) from error
