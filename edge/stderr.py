"""Native libraries without their chatter: they print to stderr what our errors say better."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_lock = threading.Lock()
_inside: list[int] = []
"""Of each block under way an entry; the first holds the descriptor that stderr is put back from."""


@contextmanager
def suppress_stderr() -> Iterator[None]:
    """Nothing written to the process's stderr inside the block is seen, by whatever thread.

    FFmpeg and libjpeg inside OpenCV, and LiteRT, write there directly, whatever the log level. Blocks may
    overlap on several threads: the last to leave puts stderr back.
    """
    with _lock:
        if not _inside:
            sys.stderr.flush()
            _inside.append(os.dup(2))
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, 2)
            os.close(nowhere)
        else:
            _inside.append(-1)
    try:
        yield
    finally:
        with _lock:
            kept = _inside[0]
            _inside.pop()
            if not _inside:
                os.dup2(kept, 2)
                os.close(kept)
