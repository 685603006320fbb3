"""What every sink is: it takes what each turn of the loop found."""

from __future__ import annotations

from typing import Protocol

from edge.contract.types import FrameResult


class Sink(Protocol):
    """write: called once a frame, in order. close: called once, however the run ended; what was written
    until then is kept. Both raise OutputError where the system refuses.
    """

    def write(self, result: FrameResult) -> None: ...

    def close(self) -> None: ...
