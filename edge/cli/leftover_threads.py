"""End the process although threads are left that may be inside a native library."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from typing import NoReturn


def exit_past_threads(main: Callable[[], None]) -> NoReturn:
    """Run ``main`` and exit. If threads are left, for instance in a camera's driver, Python is not finalised.

    A driver's C++ code that returns to Python while it is being finalised aborts the process.
    """
    code = None
    try:
        main()
    except SystemExit as stop:
        code = stop.code
    if threading.active_count() > 1 and not isinstance(code, str):
        exit_now(code or 0)
    raise SystemExit(code)


def exit_now(code: int) -> NoReturn:
    """Write what is buffered, and exit without finalising Python."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
