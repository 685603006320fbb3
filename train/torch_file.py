"""Check files for PyTorch before use, and report the ones that do not fit as errors of the user's data."""

from __future__ import annotations

import pickle
import textwrap
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from edge.contract.errors import DataError

LOAD_ERRORS = (RuntimeError, pickle.UnpicklingError, EOFError, TypeError, ValueError, LookupError, AttributeError,
               OSError, AssertionError)  # fmt: skip
"""What ``torch.load`` raises for a damaged file: where its unpickler fails depends on which byte is damaged."""


def checked(path: Path) -> Path:
    """Verify the checksums inside a file and return its path; ``torch.load`` does not notice changed weights.

    Raises ValueError for a file that has changed, or that PyTorch did not write.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            changed = archive.testzip()
    except zipfile.BadZipFile as error:
        raise ValueError(f"PyTorch did not write it, or it is truncated ({error})") from error
    if changed is not None:
        raise ValueError(f"{changed} inside it has changed")
    return path


@contextmanager
def refuse_other_version(path: Path) -> Iterator[None]:
    """Turn errors raised while the content of an intact file is used into a DataError about its version."""
    try:
        yield
    except (RuntimeError, LookupError, TypeError, ValueError) as error:
        what = f"{type(error).__name__} {textwrap.shorten(str(error), 160)}"
        raise DataError(
            f"written by another version of skd-edge, and does not fit this one: {what}",
            where=path,
            hint="remove it and train again, or use the version that wrote it",
        ) from error
