"""The thin shell between checks and the machine: files, folders and programs, by name."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Protocol

TIMEOUT_S = 10


class Host(Protocol):
    """read: a file's text, None where there is none or it may not be read. names: what a pattern matches, sorted.

    run: what a program wrote to both its outputs, whatever its exit code; None where it is absent or hangs.
    usable: whether this user may read and write a file.
    """

    def read(self, path: str) -> str | None: ...

    def names(self, pattern: str) -> list[str]: ...

    def run(self, *command: str) -> str | None: ...

    def usable(self, path: str) -> bool: ...


class ThisHost:
    """The machine this runs on."""

    def read(self, path: str) -> str | None:
        try:
            return Path(path).read_text(encoding="utf-8", errors="replace").strip("\0\n ")
        except OSError:
            return None

    def names(self, pattern: str) -> list[str]:
        return sorted(str(path) for path in Path("/").glob(pattern.lstrip("/")))

    def run(self, *command: str) -> str | None:
        try:
            done = subprocess.run(
                command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=TIMEOUT_S, check=False
            )
        except (OSError, subprocess.TimeoutExpired):
            return None
        return done.stdout

    def usable(self, path: str) -> bool:
        try:
            with Path(path).open("r+b", buffering=0):
                return True
        except OSError as error:
            # A camera that another program has open is there, and is ours to use later.
            return not isinstance(error, PermissionError | FileNotFoundError)
