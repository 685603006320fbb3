"""How the C library allocates memory for images."""

from __future__ import annotations

import contextlib
import ctypes
import os

MMAP_THRESHOLD_BYTES = 1 << 20
"""Most images are larger; few other short-lived allocations are."""

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
"""Constants of glibc's malloc.h."""


def mmap_large_allocations() -> None:
    """Make glibc allocate images with mmap, so that their memory returns to the system when they are freed.

    By default glibc raises its mmap threshold when the first such block is freed. Images then come from the heaps of
    the threads, which fragment: memory in use varies by an image or two over hours. A threshold set by the user stays.
    """
    if "MALLOC_MMAP_THRESHOLD_" in os.environ or "mmap_threshold" in os.environ.get("GLIBC_TUNABLES", ""):
        return
    # Other C libraries have no mallopt, and use mmap for large blocks anyway.
    with contextlib.suppress(AttributeError):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(M_MMAP_THRESHOLD, MMAP_THRESHOLD_BYTES)
        # Twice that, as glibc's own adjustment does: the end of the heap is not trimmed and regrown with each array.
        mallopt(M_TRIM_THRESHOLD, 2 * MMAP_THRESHOLD_BYTES)
