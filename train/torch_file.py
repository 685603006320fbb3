"""Write, read and check PyTorch files, and report the ones that do not fit as errors of the user's data."""

from __future__ import annotations

import io
import pickle
import textwrap
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from edge.contract.errors import ConfigError, DataError
from edge.contract.files import atomic_write

LOAD_ERRORS = (RuntimeError, pickle.UnpicklingError, EOFError, TypeError, ValueError, LookupError, AttributeError,
               OSError, AssertionError)  # fmt: skip
"""What ``torch.load`` raises for a damaged file: where its unpickler fails depends on which byte is damaged."""
WRAPPERS = ("state_dict", "model")
"""Keys under which a training's file has the weights."""


def checked(path: Path) -> Path:
    """Verify the checksums inside a file and return its path; ``torch.load`` does not notice changed weights.

    Raises ValueError for a file that has changed, or that PyTorch did not write.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            changed = archive.testzip()
    except (zipfile.BadZipFile, zlib.error) as error:
        raise ValueError(f"PyTorch did not write it, or it is truncated ({error})") from error
    if changed is not None:
        raise ValueError(f"{changed} inside it has changed")
    return path


def write_torch(path: Path, value: Any) -> None:
    """Write a PyTorch file atomically. Raises OutputError if the system refuses."""
    content = io.BytesIO()  # on a full disk torch.save raises an error of its own, not OSError
    torch.save(value, content)
    with atomic_write(path) as partial:
        partial.write_bytes(content.getvalue())  # with getbuffer, Python 3.12.1 crashes after an error


@contextmanager
def refuse_other_version(path: Path) -> Iterator[None]:
    """Turn errors raised while the content of an intact file is used into a DataError about its version."""
    try:
        yield
    except (RuntimeError, LookupError, TypeError, ValueError, ConfigError) as error:
        what = f"it lacks {error}" if isinstance(error, KeyError) else textwrap.shorten(str(error), 160)
        raise DataError(
            f"written by another version of skd-edge, and does not fit this one: {what}",
            where=path,
            hint="remove it and train again, or use the version that wrote it",
        ) from error


def read_published_weights(path: Path, without: str, hint: str) -> dict[str, Tensor]:
    """Read a state dict that another project published, without wrappers and DataParallel's prefix.

    without: prefix of entries to leave out. hint: which file to give instead. Raises DataError if the file is missing
    or is no such state dict.
    """
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise DataError("the file is missing", where=path, hint=hint) from error
    except LOAD_ERRORS as error:
        why = (str(error).splitlines() or [type(error).__name__])[0]
        raise DataError(f"cannot be read as PyTorch weights: {why}", where=path, hint=hint) from error
    for key in WRAPPERS:
        if isinstance(state, Mapping) and isinstance(state.get(key), Mapping):
            state = state[key]
    if not isinstance(state, Mapping):
        raise DataError(f"contains a {type(state).__name__}, not a state dict", where=path, hint=hint)
    weights = {str(name).removeprefix("module."): value for name, value in state.items()}
    for name, value in weights.items():
        if not isinstance(value, Tensor):
            raise DataError(f"entry {name} is not a tensor", where=path, hint=hint)
    return {name: value for name, value in weights.items() if not name.startswith(without)}


def load_published_weights(network: nn.Module, weights: dict[str, Tensor], path: Path, hint: str) -> None:
    """Load what was read from ``path``. Raises DataError for the weights of another network."""
    try:
        network.load_state_dict(weights)
    except RuntimeError as error:
        why = textwrap.shorten(str(error).partition("\n")[2], 160)
        raise DataError(f"contains another network's weights: {why}", where=path, hint=hint) from error
