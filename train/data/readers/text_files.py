"""Opening text and .json files with errors a user can act on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from edge.contract.errors import DataError


def read_json(path: Path, keys: tuple[str, ...] = ()) -> dict[str, Any]:
    """The object in the file; DataError if it is absent, damaged, no object, or lacks one of ``keys``."""
    if not path.is_file():
        raise DataError("no such dataset file", where=path, hint="give the folder that holds it with --data.folder")
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(f"not readable as JSON: {error}", where=path, hint="copy it again") from error
    if not isinstance(found, dict) or (missing := [key for key in keys if key not in found]):
        lacking = f"the file lacks {missing[0]!r}" if isinstance(found, dict) else "the file holds no object"
        raise DataError(lacking, where=path, hint=f"it must hold {', '.join(keys) or 'an object'}")
    return found


def read_text(path: Path, encoding: str = "utf-8") -> str:
    """What the file says; DataError if it is absent, or not text in this encoding."""
    try:
        return path.read_text(encoding=encoding)
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"not readable as text: {error}", where=path, hint="copy it again") from error
