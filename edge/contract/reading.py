"""Read untrusted files: a damaged file raises one error that names it.

Each function takes the error class to raise and the hint, which only its caller knows.
"""

from __future__ import annotations

import json
import struct
import tokenize
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

from edge.contract.errors import SkdError
from edge.contract.yaml_loader import YamlLoader

_NPZ_ERRORS = (ValueError, EOFError, zipfile.BadZipFile, zlib.error, struct.error, TypeError, AttributeError,
              NotImplementedError, RuntimeError, MemoryError, OverflowError, tokenize.TokenError)  # fmt: skip
"""What numpy may raise for a file that is damaged or not an .npz."""


@contextmanager
def wrap_read_errors(path: Path | str, error: type[SkdError], hint: str) -> Iterator[None]:
    """Turn an OSError inside the block into ``error``, for example of missing rights or a worn SD card."""
    try:
        yield
    except OSError as refusal:
        raise error(f"cannot be read: {refusal.strerror or refusal}", where=path, hint=hint) from refusal


@contextmanager
def wrap_value_errors(where: Path | str, error: type[SkdError], hint: str) -> Iterator[None]:
    """Turn what the block raises for a missing key, or a value of the wrong type or size, into ``error``."""
    try:
        yield
    except KeyError as missing:
        raise error(f"key {missing} is missing", where=where, hint=hint) from missing
    except (ArithmeticError, LookupError, TypeError, AttributeError, ValueError) as wrong:
        raise error("a value is missing, or of the wrong type or size", where=where, hint=hint) from wrong


def read_text(path: Path, error: type[SkdError], hint: str) -> str:
    """The text of a UTF-8 file, without a byte-order mark. Raises ``error`` if it is not text."""
    try:
        with wrap_read_errors(path, error, hint):
            return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as cause:
        raise error(f"not readable as text: {cause}", where=path, hint=hint) from cause


def read_json(path: Path, error: type[SkdError], hint: str) -> dict[str, Any]:
    """The object in a JSON file. Raises ``error`` if the file is missing, damaged or holds anything else."""
    return _parse(parse_json, read_text(path, error, hint), "JSON object", partial(error, where=path, hint=hint))


def parse_json(text: str) -> Any:
    """The value of JSON text. Raises ValueError for other text, and for half of a surrogate pair."""
    found = json.loads(text)
    if "\\u" in text:
        json.dumps(found, ensure_ascii=False).encode()  # half a pair could be neither printed nor written
    return found


def read_yaml(path: Path, error: type[SkdError], hint: str) -> dict[str, Any]:
    """The mapping in a YAML file. Raises ``error`` if the file is missing, damaged or holds anything else."""
    load = partial(yaml.load, Loader=YamlLoader)
    return _parse(load, read_text(path, error, hint), "YAML mapping", partial(error, where=path, hint=hint))


def _parse(parse: Callable[[str], Any], text: str, expected: str, refused: partial[SkdError]) -> dict[str, Any]:
    try:
        found = parse(text)
    except (ValueError, yaml.YAMLError, RecursionError) as cause:
        raise refused(f"not readable as {expected.split()[0]}: {cause}") from cause
    if not isinstance(found, dict):
        raise refused(f"the file must be a {expected}")
    return found


def read_npz(path: Path, error: type[SkdError], hint: str, names: tuple[str, ...] = ()) -> dict[str, NDArray[Any]]:
    """The named arrays of an .npz file, or all of them if none is named.

    Raises ``error`` if the file is missing or damaged, lacks an array, or one is pickled.
    """
    try:
        with wrap_read_errors(path, error, hint), path.open("rb") as stream:
            if not zipfile.is_zipfile(stream):
                raise error("not a readable .npz file: it is another format, or truncated", where=path, hint=hint)
            stream.seek(0)
            with np.load(stream, allow_pickle=False) as arrays:
                if lacking := [name for name in names if name not in arrays.files]:
                    needed = f"it must contain {', '.join(names)}"
                    raise error(f"the file lacks {lacking[0]!r}", where=path, hint=needed)
                found = {name: arrays[name] for name in names or arrays.files}
    except _NPZ_ERRORS as cause:
        raise error(f"not a readable .npz file: {cause}", where=path, hint=hint) from cause
    # Other files inside the archive are returned as bytes.
    if no_array := [name for name, array in found.items() if not isinstance(array, np.ndarray)]:
        raise error(f"{no_array[0]!r} is not an array", where=path, hint=hint)
    return found
