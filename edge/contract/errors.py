"""Errors that a user can cause and fix.

All derive from SkdError. Each message is one line: what is wrong, where, and what to do about it. Command lines print
it and exit with code 2 (see :mod:`edge.cli.command_line`).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from edge.contract.passwords import without_passwords


class SkdError(Exception):
    """An error with a one-line message: what is wrong, where, and what to do.

    Passwords in what and where are hidden.
    """

    def __init__(self, what: str, *, where: str | Path | None = None, hint: str | None = None) -> None:
        self.what = without_passwords(" ".join(what.split()))
        self.where = None if where is None else without_passwords(str(where))
        self.hint = None if hint is None else " ".join(hint.split())
        super().__init__(str(self))

    def __str__(self) -> str:
        line = self.what if self.where is None else f"{self.where}: {self.what}"
        return line if self.hint is None else f"{line}; {self.hint}"


class ConfigError(SkdError):
    """An invalid key, value or flag."""


class SourceError(SkdError):
    """A video, image folder, camera or recording that cannot be read."""


class DataError(SkdError):
    """A dataset or clip that is damaged, empty or not finite."""


class LayoutError(SkdError):
    """Joints that do not fit: an unknown layout, a wrong count, no mapping."""


class BundleError(SkdError):
    """A bundle that is incomplete, altered or of another format version."""


class EngineError(SkdError):
    """A network file or engine that the runtime refuses."""


class DeviceLostError(EngineError):
    """A GPU that refuses every call of this process since one of its kernels failed; only a new process can use it."""


class StageError(SkdError):
    """A stage of the camera loop that cannot go on: it failed too often, hangs, or has lost its GPU."""


class OutputError(SkdError):
    """A file that cannot be written: no permission, no space, a folder in its place."""


class DownloadError(SkdError):
    """An asset that cannot be downloaded, or has a wrong checksum."""


class MissingDependency(SkdError, ImportError):
    """A package that is not installed or does not load.

    because: the import's error. It distinguishes a missing package from an installed one that does not load, for
    example because it was built for another numpy.
    """

    def __init__(self, package: str, *, needed_for: str, install: str, because: ImportError | None = None) -> None:
        is_installed = because is not None and not isinstance(because, ModuleNotFoundError)
        what = f", which is installed but does not load: {because}" if is_installed else ""
        super().__init__(
            f"{needed_for} needs the package {package}{what}",
            hint=f"install it {'again ' if is_installed else ''}with: {install}",
        )


@contextmanager
def importing(package: str, *, needed_for: str, install: str) -> Iterator[None]:
    """Turn an ImportError inside the block into a MissingDependency."""
    try:
        yield
    except ImportError as error:
        raise MissingDependency(package, needed_for=needed_for, install=install, because=error) from error
