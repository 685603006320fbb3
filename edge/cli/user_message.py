"""What a command's exception says to its user, on one line."""

from __future__ import annotations

import errno
import os

from edge.contract.errors import MissingDependency, SkdError

OS_ERROR_HINTS = {
    errno.EACCES: "change its permissions or those of its folder, or run this as another user",
    errno.ENAMETOOLONG: "give it a shorter name",
    errno.EMFILE: "allow more open files: ulimit -n 4096",
    errno.ENFILE: "close other programs, or allow more open files",
    errno.EIO: "the disk or card does not respond: check it, and copy the file again",
    errno.ESTALE: "the network drive was disconnected: mount it again",
}
"""Fallback for OSErrors that edge/contract/reading.py and files.py did not turn into an SkdError."""

NO_THREAD = "can't start new thread"
"""The message of the RuntimeError that Python raises."""


def user_message(error: Exception, program: str) -> str | None:
    """One line for an error that a user can fix; None for a bug."""
    if isinstance(error, ModuleNotFoundError):
        install = f"make setup, or pip install 'skd-edge[{program.split()[0]}]'"
        package = (error.name or "?").partition(".")[0]
        return str(MissingDependency(package, needed_for="this command", install=install))
    if isinstance(error, SkdError):
        return str(error)
    if isinstance(error, FileNotFoundError) and "temporary directory" in str(error):  # of tempfile, as PyTorch loads
        return "no temporary file can be written; free some space, or set TMPDIR to a writable folder"
    if isinstance(error, FileNotFoundError) and error.errno and error.filename is None:  # of os.getcwd
        return "the current folder no longer exists; change to another one"
    if isinstance(error, OSError) and error.errno in OS_ERROR_HINTS:
        if error.filename is not None:
            return f"{os.fsdecode(error.filename)}: {error.strerror}; {OS_ERROR_HINTS[error.errno]}"
        if error.errno in (errno.EMFILE, errno.ENFILE):  # of pipes and locks, which have no name
            return f"{error.strerror}; {OS_ERROR_HINTS[error.errno]}"
    if isinstance(error, MemoryError):
        return f"not enough memory{f': {error}' if str(error) else ''}; close other programs, or add swap"
    if isinstance(error, RuntimeError) and str(error) == NO_THREAD:
        return "the system cannot start another thread; allow more: ulimit -u, or a container's --pids-limit"
    return None


def caused_by_ctrl_c(error: BaseException | None) -> bool:
    """Whether Ctrl-C is among the causes: importing a native library turns it into an ImportError."""
    while error is not None:
        if isinstance(error, KeyboardInterrupt):
            return True
        error = error.__cause__ or error.__context__
    return False
