"""The last seconds of one person, from which clips are cut."""

from __future__ import annotations

from collections import deque

import numpy as np
from numpy.typing import NDArray

from edge.contract.layouts import JointLayout, convert
from edge.contract.preprocess import Preprocessing, clip_tensor, resample
from edge.contract.types import Float32


class ClipBuffer:
    """Timestamped keypoints of one person, as far back as a clip reaches.

    layout: of the clips. given: of the keypoints that are pushed, where that is another; they become the clip's when
    one is cut, all at once, since a handful of decisions a second needs far fewer conversions than there are frames.
    """

    def __init__(self, layout: JointLayout, how: Preprocessing, given: JointLayout | None = None) -> None:
        self._layout, self._how, self._given = layout, how, given or layout
        self._entries: deque[tuple[float, Float32]] = deque()
        self._gaps: deque[tuple[float, float]] = deque()

    def push(self, keypoints: Float32, time_s: float) -> None:
        """Add keypoints (V, 3) of the given layout. Times must rise."""
        if self._entries and time_s - self._entries[-1][0] > self._how.max_gap_s:
            self._gaps.append((self._entries[-1][0], time_s))
        self._entries.append((time_s, keypoints))
        # Two entries from before the clip are kept, for its first moment may lie on a curve through these and two more;
        # and a clip may end a little before the last entry.
        while len(self._entries) > 3 and self._entries[2][0] <= time_s - self._how.duration_s - self._how.max_gap_s:
            self._entries.popleft()
        while self._gaps and self._gaps[0][1] <= self._entries[0][0]:
            self._gaps.popleft()

    def since(self, time_s: float | None) -> list[tuple[float, Float32]]:
        """Times and keypoints that were pushed after ``time_s``, and are still known; None for all."""
        found: list[tuple[float, Float32]] = []
        for entry in reversed(self._entries):
            if time_s is not None and entry[0] <= time_s:
                break
            found.append((entry[0], convert(entry[1], self._given, self._layout)))
        return found[::-1]

    @property
    def fill(self) -> float:
        """How much of the clip was observed, 0..1; gaps that are not interpolated across do not count."""
        if not self._entries:
            return 0.0
        end_s = self._entries[-1][0]
        start_s = max(self._entries[0][0], end_s - self._how.duration_s)
        unseen_s = sum(until - max(since, start_s) for since, until in self._gaps if until > start_s)
        # Times of thirty frames a second never add up to the clip's length exactly.
        return min(1.0, round((end_s - start_s - unseen_s) / self._how.duration_s, 6))

    def recording(self) -> tuple[Float32, NDArray[np.float64]]:
        """Keypoints (S, V, 3) in pixels and their times (S,), as far back as a clip reaches."""
        times = np.array([time for time, _ in self._entries])
        keypoints = np.array([keypoints for _, keypoints in self._entries], np.float32)
        return convert(keypoints, self._given, self._layout) if len(times) else keypoints, times

    def moments(self, end_s: float) -> Float32:
        """Keypoints (T, V, 3) in pixels at the moments of a clip that ends at ``end_s``; unseen before the first."""
        at = end_s - np.arange(self._how.length_frames - 1, -1, -1) / self._how.fps
        keypoints, times = self.recording()
        found = resample(keypoints, times, at, self._how.max_gap_s, self._how.between)
        found[(at < times[0]) | (at > times[-1]), :, 2] = 0
        return found

    def clip(self, other: ClipBuffer | None = None, end_s: float | None = None) -> Float32:
        """(C, T, V, M) float32; DataError for an empty buffer.

        other: the second body, if M is to be 2. end_s: the clip's last moment, at most ``max_gap_s`` before the last
        frame pushed, which is what it ends with by default.
        """
        bodies = [self.recording()] + ([other.recording()] if other is not None else [])
        return clip_tensor(bodies, self._layout, self._how, end_s)
