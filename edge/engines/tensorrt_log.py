"""What TensorRT says while it works, kept so that an error can repeat it."""

from __future__ import annotations

import threading
from collections import deque
from functools import cache
from typing import Any
from weakref import WeakSet

KEPT = 20
"""Messages; a device that fails at every frame must not fill its memory with them."""


class Complaints:
    """The last errors that TensorRT logged since this was made, whoever caused them.

    logger: what TensorRT is given. TensorRT keeps the first one it gets for the whole process, also when the engine it
    came with is long closed, and wants no other beside it: so there is one, which is never given back.
    Source: ILogger in the TensorRT documentation.
    """

    def __init__(self, trt: Any) -> None:
        self._said: deque[str] = deque(maxlen=KEPT)
        self.logger = _logger(trt)
        with _changing:
            _listening.add(self)

    def hear(self, message: str) -> None:
        self._said.append(message)

    def text(self, without: str) -> str:
        """All of them, oldest first, or ``without`` where there are none."""
        return "; ".join(self._said) or without

    def clear(self) -> None:
        """Forget them."""
        self._said.clear()


_listening: WeakSet[Complaints] = WeakSet()
# TensorRT logs from threads of its own, and also while an engine is given back in the midst of anything.
_changing = threading.RLock()


@cache
def _logger(trt: Any) -> Any:
    class Collecting(trt.ILogger):  # type: ignore[misc]
        def __init__(self) -> None:
            # pybind11 requires the base's own initialiser.
            trt.ILogger.__init__(self)

        def log(self, severity: Any, message: str) -> None:
            if severity in (trt.ILogger.Severity.ERROR, trt.ILogger.Severity.INTERNAL_ERROR):
                with _changing:
                    for complaints in list(_listening):
                        complaints.hear(message)

    return Collecting()
