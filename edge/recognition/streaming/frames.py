"""One person's keypoints as they come -> frames at the network's rate, each normalised by what came before it."""

from __future__ import annotations

from collections import deque

import numpy as np
from numpy.typing import NDArray

from edge.contract.causal import normalise_causal
from edge.contract.errors import ConfigError, DataError
from edge.contract.layouts import JointLayout
from edge.contract.preprocess import Preprocessing, impute, resample
from edge.contract.types import Float32

ROUNDING = 1e-6
"""Part of the time between two frames by which a moment may lie behind the newest and still count as it."""


class StreamedFrames:
    """Frames of one person at start + n / fps seconds, where start is the first frame pushed.

    The first ``length_frames`` of them are the clip that :func:`edge.contract.preprocess.clip_tensor` makes of the
    same recording; later ones are normalised by the last ``length_frames`` alone.
    A gap longer than ``max_gap_s`` begins anew, with that frame as start: nothing is known of the time between,
    and a network that was told of nothing but zeros would remember those. Over a shorter gap the joints are
    interpolated, as in a clip.

    together: frames are given so many at a time, as a network takes them, which costs little more than one alone.
    Raises ConfigError where clips are normalised by frames that are yet to come (``centre`` is not "trailing").
    """

    def __init__(self, layout: JointLayout, how: Preprocessing, together: int = 1) -> None:
        if how.centre != "trailing":
            raise ConfigError(
                f"a stream cannot be centred as these clips are ({how.centre}), which takes later frames",
                hint="train the student with --data.pairs.preprocessing.centre trailing",
            )
        self._layout, self._how, self._together = layout, how, together
        self._entries: deque[tuple[Float32, float]] = deque()
        self._begin(0.0)

    def push(self, keypoints: Float32, time_s: float) -> tuple[bool, list[Float32]]:
        """Keypoints (V, 3) of the layout at a later time -> whether the stream began anew, and frames (3, V) now due.

        Raises DataError where time does not rise, or keypoints are not finite or not of this layout.
        """
        if keypoints.shape != (len(self._layout), 3) or not np.isfinite(keypoints).all():
            raise DataError(
                f"keypoints of shape {keypoints.shape} do not fit {self._layout.name}, or are not finite",
                hint="mark joints that were not seen with score 0",
            )
        last_s = self._entries[-1][1] if self._entries else None
        if last_s is not None and not time_s > last_s:
            raise DataError(f"time {time_s} s does not rise above {last_s} s", hint="drop repeated frames")
        seen = keypoints.astype(np.float32, copy=True)
        seen[..., 2] = seen[..., 2] > 0
        anew = last_s is None or time_s - last_s > self._how.max_gap_s
        if anew:
            self._begin(time_s)
        self._entries.append((seen, time_s))
        reached_s = time_s if last_s is None or anew else time_s + ROUNDING * (time_s - last_s)
        frames: list[Float32] = []
        while self._moment(self._given + self._together - 1) <= reached_s:
            frames += self._next()
        return anew, frames

    def _begin(self, time_s: float) -> None:
        self._start_s, self._given = time_s, 0
        self._entries.clear()
        self._raw: deque[Float32] = deque(maxlen=self._how.impute_window_frames)
        self._past: deque[tuple[Float32, NDArray[np.bool_]]] = deque(maxlen=self._how.length_frames - 1)

    def _moment(self, frame: int) -> float:
        return self._start_s + frame / self._how.fps

    def _next(self) -> list[Float32]:
        """The next ``together`` frames (3, V), which are all due."""
        how, count = self._how, self._together
        at = np.array([self._moment(n) for n in range(self._given, self._given + count)])
        times = np.array([time_s for _, time_s in self._entries])
        bodies = resample(np.stack([body for body, _ in self._entries]), times, at, how.max_gap_s)
        self._given += count
        # One entry from before the next moment is kept: that lies between two entries.
        while len(self._entries) > 1 and self._entries[1][1] <= self._moment(self._given):
            self._entries.popleft()
        imputed, known = impute(np.stack([*self._raw, *bodies]), how.impute_window_frames, ahead_frames=0)
        self._raw.extend(bodies)
        past = [*self._past, *zip(imputed[-count:], known[-count:], strict=True)]
        new = np.arange(len(past) - count, len(past))
        frames = normalise_causal(
            np.stack([body for body, _ in past]), np.stack([k for _, k in past]), self._layout, new, how.length_frames
        )
        self._past.extend(past[-count:])
        return [np.ascontiguousarray(frame.T) for frame in frames]
