"""How the C library takes memory for images."""

from __future__ import annotations

import contextlib
import ctypes
import os

APART_BYTES = 1 << 20
"""Most images are larger, and little else that comes and goes."""

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
"""The GNU C library's names, in malloc.h."""


def keep_large_apart() -> None:
    """Let the C library take what is large, an image above all, from the system and give it back when it is freed.

    By itself it does so until the first is freed, and from then on keeps their memory in the heap of each thread, where
    what is free and what is not lie in turns: a loop then has an image or two more in memory some hours than others.
    Where the user has set the limit it stays as it is.
    """
    if "MALLOC_MMAP_THRESHOLD_" in os.environ or "mmap_threshold" in os.environ.get("GLIBC_TUNABLES", ""):
        return
    # Of the GNU C library; others map what is large anyway.
    with contextlib.suppress(AttributeError):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(M_MMAP_THRESHOLD, APART_BYTES)
        # Twice that, as the library does when it chooses: a heap's end need not come and go with each array.
        mallopt(M_TRIM_THRESHOLD, 2 * APART_BYTES)
