"""One person's keypoints, as they arrive, to frames at the network's rate, each normalised by earlier frames only."""

from __future__ import annotations

from collections import deque

import numpy as np
from numpy.typing import NDArray

from edge.contract.layouts import JointLayout
from edge.contract.normalisation import normalise_causal
from edge.contract.preprocess import Preprocessing, impute, resample
from edge.contract.types import Float32

ROUNDING = 1e-6
"""Part of the time between two frames by which a moment may lie after the newest frame and still be due."""


class StreamedFrames:
    """Frames of one person at start + n / fps seconds, where start is the time of the first keypoints.

    The first ``length_frames`` frames are the clip that :func:`edge.contract.preprocess.clip_tensor` makes of the same
    recording; later ones are normalised by the last ``length_frames`` only. A gap longer than ``max_gap_s`` restarts
    the stream, because the network would remember the zeros of unseen frames. Shorter gaps are interpolated, as in a
    clip.

    how: causal preprocessing (``centre`` is "trailing").
    step_frames: frames of a step of the network, which are made together: this costs little more than one frame.
    """

    def __init__(self, layout: JointLayout, how: Preprocessing, step_frames: int = 1) -> None:
        self._layout, self._how, self._step_frames = layout, how, step_frames
        self._restart(0.0)

    def push(self, keypoints: Float32, time_s: float) -> tuple[bool, list[Float32]]:
        """Add keypoints (V, 3), later than those before.

        Returns whether the stream restarted, and steps (3, step_frames, V) now due.
        """
        last_s = self._entries[-1][1] if self._entries else None
        seen = keypoints.astype(np.float32, copy=True)
        seen[..., 2] = seen[..., 2] > 0
        restarted = last_s is None or time_s - last_s > self._how.max_gap_s
        if restarted:
            self._restart(time_s)
        self._entries.append((seen, time_s))
        reached_s = time_s if last_s is None or restarted else time_s + ROUNDING * (time_s - last_s)
        steps: list[Float32] = []
        while self._moment(self._emitted + self._step_frames - 1) <= reached_s:
            steps.append(self._next_step())
        return restarted, steps

    def _restart(self, time_s: float) -> None:
        self._start_s, self._emitted = time_s, 0
        self._entries: deque[tuple[Float32, float]] = deque()
        self._raw: deque[Float32] = deque(maxlen=self._how.impute_window_frames)
        self._past: deque[tuple[Float32, NDArray[np.bool_]]] = deque(maxlen=self._how.length_frames - 1)

    def _moment(self, frame: int) -> float:
        return self._start_s + frame / self._how.fps

    def _next_step(self) -> Float32:
        """The next ``step_frames`` frames (3, step_frames, V), all of them due."""
        how, count = self._how, self._step_frames
        at = np.array([self._moment(n) for n in range(self._emitted, self._emitted + count)])
        times = np.array([time_s for _, time_s in self._entries])
        bodies = resample(np.stack([body for body, _ in self._entries]), times, at, how.max_gap_s)
        self._emitted += count
        # One entry from before the next moment is kept, for the interpolation.
        while len(self._entries) > 1 and self._entries[1][1] <= self._moment(self._emitted):
            self._entries.popleft()
        imputed, known = impute(np.stack([*self._raw, *bodies]), how.impute_window_frames, ahead_frames=0)
        self._raw.extend(bodies)
        past = [*self._past, *zip(imputed[-count:], known[-count:], strict=True)]
        new = np.arange(len(past) - count, len(past))
        frames = normalise_causal(
            np.stack([body for body, _ in past]), np.stack([k for _, k in past]), self._layout, new, how.length_frames
        )
        self._past.extend(past[-count:])
        return frames.transpose(2, 0, 1)
