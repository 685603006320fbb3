"""Access to the machine's files and programs, so that tests can replace them."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Protocol

DEVICE_TREES = "/proc/device-tree", "/device-tree"
"""Docker hides the first from containers; docker/run mounts the second."""
TIMEOUT_S = 10


class Host(Protocol):
    """read: a file's text, None if it is missing or unreadable. names: sorted matches of a glob pattern.

    run: a program's stdout and stderr, whatever its exit code; None if it is missing or times out.
    usable: whether this user may open a device. Reading suffices: L4T's /dev/nvmap cannot be written.
    """

    def read(self, path: str) -> str | None: ...

    def names(self, pattern: str) -> list[str]: ...

    def run(self, *command: str) -> str | None: ...

    def usable(self, path: str) -> bool: ...


class ThisHost:
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
                command,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                encoding="utf-8",
                errors="replace",
                timeout=TIMEOUT_S,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired):
            return None
        return done.stdout

    def usable(self, path: str) -> bool:
        try:
            with Path(path).open("rb", buffering=0):
                return True
        except OSError as error:
            # Busy is usable: another program has the camera open for now.
            return not isinstance(error, PermissionError | FileNotFoundError)


def number(text: str | None) -> int | None:
    """The integer in a file of the kernel; None if there is none, or one of more than 18 digits."""
    return int(text) if text is not None and re.fullmatch(r"-?\d{1,18}", text) else None


def device_tree(host: Host, name: str) -> str | None:
    """A property of the board's device tree, such as "model"; None on other machines."""
    return next((text for folder in DEVICE_TREES if (text := host.read(f"{folder}/{name}"))), None)
