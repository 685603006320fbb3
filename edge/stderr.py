"""Silence native libraries that print to stderr what our own errors report."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_lock = threading.Lock()
_depth = 0
_saved_fd = -1


@contextmanager
def suppress_stderr() -> Iterator[None]:
    """Redirect the process's file descriptor 2 to /dev/null while the block runs, for all threads.

    FFmpeg and libjpeg inside OpenCV, and LiteRT, write to it directly, whatever the log level. Blocks may overlap on
    several threads: the last one to end restores stderr. Our own messages, see :func:`unsuppressed`, are still written.
    """
    global _depth, _saved_fd
    sys.stderr.flush()
    with _lock:
        if _depth == 0:
            _saved_fd = os.dup(2)
            devnull = os.open(os.devnull, os.O_WRONLY)
            os.dup2(devnull, 2)
            os.close(devnull)
        _depth += 1
    try:
        yield
    finally:
        with _lock:
            _depth -= 1
            if _depth == 0:
                os.dup2(_saved_fd, 2)
                os.close(_saved_fd)


@contextmanager
def unsuppressed(descriptor: int) -> Iterator[int]:
    """What to duplicate inside the block to write to ``descriptor``, whether it is suppressed or not."""
    with _lock:
        yield _saved_fd if descriptor == 2 and _depth else descriptor
