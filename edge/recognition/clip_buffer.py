"""Ring buffer with the last seconds of one person, from which clips are made."""

from __future__ import annotations

from collections import deque

import numpy as np
from numpy.typing import NDArray

from edge.contract.layouts import JointLayout, convert
from edge.contract.preprocess import Preprocessing, clip_tensor, resample
from edge.contract.types import Float32


class ClipBuffer:
    """Timestamped keypoints of one person, for the duration of a clip.

    layout: of the clips. source: of the keypoints pushed, if another. They are converted when a clip is made, all at
    once: there are far fewer decisions per second than frames.
    """

    def __init__(self, layout: JointLayout, preprocessing: Preprocessing, source: JointLayout | None = None) -> None:
        self._layout, self._preprocessing, self._source = layout, preprocessing, source or layout
        self._entries: deque[tuple[float, Float32]] = deque()
        self._gaps: deque[tuple[float, float]] = deque()

    def push(self, keypoints: Float32, time_s: float) -> None:
        """Add keypoints (V, 3) of the source layout. Times must rise."""
        if self._entries and time_s - self._entries[-1][0] > self._preprocessing.max_gap_s:
            self._gaps.append((self._entries[-1][0], time_s))
        self._entries.append((time_s, keypoints))
        # Two entries from before the clip are kept, for cubic interpolation at its first moment. A clip may end up to
        # max_gap_s before the last entry.
        oldest_s = time_s - self._preprocessing.duration_s - self._preprocessing.max_gap_s
        while len(self._entries) > 3 and self._entries[2][0] <= oldest_s:
            self._entries.popleft()
        while self._gaps and self._gaps[0][1] <= self._entries[0][0]:
            self._gaps.popleft()

    def since(self, time_s: float | None) -> list[tuple[float, Float32]]:
        """Times and keypoints in the buffer that are later than ``time_s``; all for None."""
        found: list[tuple[float, Float32]] = []
        for entry in reversed(self._entries):
            if time_s is not None and entry[0] <= time_s:
                break
            found.append((entry[0], convert(entry[1], self._source, self._layout)))
        return found[::-1]

    @property
    def fill(self) -> float:
        """Part of the clip that was observed, 0..1, without the gaps that are not interpolated."""
        if not self._entries:
            return 0.0
        end_s = self._entries[-1][0]
        start_s = max(self._entries[0][0], end_s - self._preprocessing.duration_s)
        unseen_s = sum(until - max(since, start_s) for since, until in self._gaps if until > start_s)
        # Rounded because the times of 30 frames per second never add up to the clip's duration exactly.
        return round((end_s - start_s - unseen_s) / self._preprocessing.duration_s, 6)

    def recording(self) -> tuple[Float32, NDArray[np.float64]]:
        """All keypoints (S, V, 3), in pixels and the clip's layout, and their times (S,)."""
        times = np.array([time for time, _ in self._entries])
        keypoints = np.array([keypoints for _, keypoints in self._entries], np.float32)
        return convert(keypoints, self._source, self._layout) if len(times) else keypoints, times

    def resampled(self, end_s: float) -> Float32:
        """Keypoints (T, V, 3) in pixels at the frames of a clip that ends at ``end_s``; unseen outside the buffer."""
        at, (keypoints, times) = self._preprocessing.frame_times(end_s), self.recording()
        found = resample(keypoints, times, at, self._preprocessing.max_gap_s, self._preprocessing.between)
        found[(at < times[0]) | (at > times[-1]), :, 2] = 0
        return found

    def clip(self, other: ClipBuffer | None = None, end_s: float | None = None) -> Float32:
        """The clip (C, T, V, M) float32. Raises DataError for an empty buffer.

        other: the second body, for M = 2. end_s: time of the clip's last frame, at most ``max_gap_s`` before the last
        keypoints pushed, whose time is the default.
        """
        bodies = [self.recording()] + ([other.recording()] if other is not None else [])
        return clip_tensor(bodies, self._layout, self._preprocessing, end_s)
