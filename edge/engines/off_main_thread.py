"""Call into TensorRT so that Ctrl-C and SIGTERM are not lost."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

Result = TypeVar("Result")


def off_main_thread(call: Callable[[], Result]) -> Result:
    """Return ``call()``, made on another thread, or raise what it raises.

    Python handles signals on the main thread only, and not inside a C++ function. If that function calls back into
    Python, as TensorRT does to log, the handler runs there, and what it raises is dropped. So the main thread only
    waits: it raises KeyboardInterrupt, and the other thread is left. It does so at once, unless the function holds
    Python's interpreter lock, as the start of TensorRT's builder does.
    """
    result: Future[Result] = Future()
    threading.Thread(target=_run, args=(call, result), daemon=True).start()
    try:
        return result.result()
    finally:
        del result  # see _run


def _run(call: Callable[[], Result], result: Future[Result]) -> None:
    try:
        result.set_result(call())
    except BaseException as error:  # noqa: BLE001 result() raises it on the caller's thread
        result.set_exception(error)
    finally:
        # An error's traceback holds this frame. Both would live until the next garbage collection, and with them all
        # that a failed call allocated.
        del result
