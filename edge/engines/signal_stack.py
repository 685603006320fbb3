"""Protect a thread's alternate signal stack from libraries that replace it."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager


class _SignalStack(ctypes.Structure):
    """``stack_t`` of Linux's signal.h."""

    _fields_ = (("pointer", ctypes.c_void_p), ("flags", ctypes.c_int), ("size", ctypes.c_size_t))


@contextmanager
def preserve_signal_stack() -> Iterator[None]:
    """Restore the thread's alternate signal stack after the block.

    OpenVINO installs a signal stack owned by the network on the thread that compiles it, and restores the previous one
    when the network is destroyed. If two networks are destroyed in the order of their creation, the stack that is
    restored no longer exists, and the next Ctrl-C ends in a segmentation fault.
    """
    own = ctypes.CDLL(None)
    before = _SignalStack()
    own.sigaltstack(None, ctypes.byref(before))
    try:
        yield
    finally:
        own.sigaltstack(ctypes.byref(before), None)
