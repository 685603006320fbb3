"""Collect the errors that TensorRT logs, so that our error messages can quote them."""

from __future__ import annotations

import threading
from collections import deque
from functools import cache
from pathlib import Path
from typing import Any
from weakref import WeakSet

from edge.contract.errors import EngineError
from edge.engines.gpu import FREE_MEMORY

MAX_ERRORS = 20
"""A device that fails at every frame must not fill its memory with messages."""


class ErrorLog:
    """The last errors that TensorRT logged since this was created, whatever caused them.

    logger: the ILogger to give TensorRT. TensorRT uses the first logger it gets for the rest of the process, even after
    its engine is closed, and allows no other beside it. So one logger is shared and never released.
    Source: ILogger in the TensorRT documentation.
    """

    def __init__(self, trt: Any) -> None:
        self._errors: deque[str] = deque(maxlen=MAX_ERRORS)
        # Locked, because two stages may open their engines at the same time.
        with _lock:
            self.logger = _logger(trt)
            _logs.add(self)

    def append(self, message: str) -> None:
        self._errors.append(message)

    def text(self, default: str) -> str:
        """All errors, oldest first, each once, or ``default`` if there are none."""
        return "; ".join(dict.fromkeys(self._errors)) or default

    def refused(self, what: str, path: Path | None = None, hint: str | None = None) -> EngineError:
        """What TensorRT cannot do, and why. hint: unless the reason is a lack of memory."""
        why = self.text("no reason given")
        hint = FREE_MEMORY if "out of memory" in why else hint
        return EngineError(f"TensorRT {what}: {why}", where=path, hint=hint)

    def clear(self) -> None:
        self._errors.clear()


_logs: WeakSet[ErrorLog] = WeakSet()
# TensorRT logs from its own threads. Reentrant, because it also logs while an engine is garbage-collected.
_lock = threading.RLock()


@cache
def _logger(trt: Any) -> Any:
    """The process's logger, with which TensorRT's own plugins are registered.

    Neither parser nor runtime registers them; the parser makes one of InstanceNormalization before TensorRT 10, and of
    ScatterElements from 10 on.
    """

    class Logger(trt.ILogger):  # type: ignore[misc]
        def __init__(self) -> None:
            # pybind11 requires an explicit call of the base class's initialiser.
            trt.ILogger.__init__(self)

        def log(self, severity: Any, message: str) -> None:
            failed = severity in (trt.ILogger.Severity.ERROR, trt.ILogger.Severity.INTERNAL_ERROR)
            # From 10 on the builder logs as an error each kernel that cannot run a layer, and tries the next.
            if failed and "Skipping tactic" not in message:
                with _lock:
                    for log in list(_logs):
                        log.append(message)

    logger = Logger()
    trt.init_libnvinfer_plugins(logger, "")
    return logger
