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
def of_this_version(path: Path) -> Iterator[None]:
    """Inside the block a file that is whole is put to use; DataError where it lacks what this version asks of it."""
    try:
        yield
    except (RuntimeError, LookupError, TypeError, ValueError) as error:
        what = f"{type(error).__name__} {textwrap.shorten(str(error), 160)}"
        raise DataError(
            f"another version of skd-edge wrote it, and it lacks what this one needs: {what}",
            where=path,
            hint="start anew in another place or without it, or go on with that version",
        ) from error
