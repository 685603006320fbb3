"""What TensorRT says while it works, kept so that an error can repeat it."""

from __future__ import annotations

from collections import deque
from typing import Any

KEPT = 20
"""Messages; a device that fails at every frame must not fill its memory with them."""


class Complaints:
    """The last errors that TensorRT logged. logger: what TensorRT is given; it must outlive all that came of it."""

    def __init__(self, trt: Any) -> None:
        self._said: deque[str] = deque(maxlen=KEPT)
        self.logger = _logger(trt, self._said)

    def text(self, without: str) -> str:
        """All of them, oldest first, or ``without`` where there are none."""
        return "; ".join(self._said) or without

    def clear(self) -> None:
        self._said.clear()


def _logger(trt: Any, said: deque[str]) -> Any:
    class Collecting(trt.ILogger):  # type: ignore[misc]
        def __init__(self) -> None:
            # pybind11 requires the base's own initialiser.
            trt.ILogger.__init__(self)

        def log(self, severity: Any, message: str) -> None:
            if severity in (trt.ILogger.Severity.ERROR, trt.ILogger.Severity.INTERNAL_ERROR):
                said.append(message)

    return Collecting()
