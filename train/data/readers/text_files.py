"""Read text and .json files of datasets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from edge.contract import reading
from edge.contract.errors import DataError


def read_json(path: Path, keys: tuple[str, ...] = ()) -> dict[str, Any]:
    """Read a JSON object. Raises DataError if the file is missing, damaged, not an object, or lacks one of ``keys``."""
    if not path.is_file():
        raise DataError("no such dataset file", where=path, hint="give the folder that contains it with --data.folder")
    found = reading.read_json(path, DataError, "copy it again")
    if missing := [key for key in keys if key not in found]:
        raise DataError(f"the file lacks {missing[0]!r}", where=path, hint=f"it must contain {', '.join(keys)}")
    return found


def read_text(path: Path, encoding: str = "utf-8") -> str:
    """Read a text file. Raises DataError if it is missing or not in this encoding."""
    try:
        return path.read_text(encoding=encoding)
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"not readable as text: {error}", where=path, hint="copy it again") from error
