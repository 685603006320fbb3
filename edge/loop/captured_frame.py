"""A frame on its way through the loop, and what its latencies are counted from."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

from edge.contract.types import Frame, FrameResult
from edge.latency import CAPTURE, DECISION, POSE, RECOGNISE, TRACK, WAITING


@dataclass(frozen=True)
class CapturedFrame:
    """A frame, when it was read by ``time.perf_counter``, and the milliseconds that reading it took."""

    frame: Frame
    read_s: float
    capture_ms: float

    def timed(self, result: FrameResult) -> FrameResult:
        """The frame's result, just decided, with the latencies that the stages do not know."""
        age_ms = 1000 * (time.perf_counter() - self.read_s)
        busy_ms = sum(result.latency_ms.get(stage, 0.0) for stage in (POSE, TRACK, RECOGNISE))
        latency_ms = {CAPTURE: self.capture_ms, **result.latency_ms, WAITING: age_ms - busy_ms, DECISION: age_ms}
        return replace(result, latency_ms=latency_ms)
