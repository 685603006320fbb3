"""The stack that a thread's signals are handled on, kept from libraries that put their own in its place."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterator
from contextlib import contextmanager


class _SignalStack(ctypes.Structure):
    """``stack_t`` of signal.h, as Linux has it."""

    _fields_ = (("pointer", ctypes.c_void_p), ("flags", ctypes.c_int), ("size", ctypes.c_size_t))


@contextmanager
def signal_stack_kept() -> Iterator[None]:
    """Whatever the block does, the thread has the signal stack afterwards that it had before.

    OpenVINO gives the thread that compiles a network a stack of the network's, and with the network puts back the one
    before it. Of two networks of which the first goes first, that is a stack that is gone: the next Ctrl-C, handled
    there, would end the process with a segmentation fault.
    """
    if sys.platform != "linux":
        yield
        return
    own = ctypes.CDLL(None)
    before = _SignalStack()
    own.sigaltstack(None, ctypes.byref(before))
    try:
        yield
    finally:
        own.sigaltstack(ctypes.byref(before), None)
