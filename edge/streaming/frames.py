"""One person's keypoints as they come -> frames at the network's rate, each normalised by what came before it."""

from __future__ import annotations

from collections import deque

import numpy as np
from numpy.typing import NDArray

from edge.contract.errors import ConfigError, DataError
from edge.contract.layouts import JointLayout
from edge.contract.preprocess import Preprocessing, impute, resample
from edge.contract.trailing import normalise_trailing
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

    Raises ConfigError where clips are normalised by frames that are yet to come (``centre`` is not "trailing").
    """

    def __init__(self, layout: JointLayout, how: Preprocessing) -> None:
        if how.centre != "trailing":
            raise ConfigError(
                f"a stream cannot be centred as these clips are ({how.centre}), which takes later frames",
                hint="train the student with --data.pairs.preprocessing.centre trailing",
            )
        self._layout, self._how = layout, how
        self._last: tuple[Float32, float] | None = None
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
        seen = keypoints.astype(np.float32, copy=True)
        seen[..., 2] = seen[..., 2] > 0
        last, self._last = self._last, (seen, time_s)
        if last is not None and not time_s > last[1]:
            self._last = last
            raise DataError(f"time {time_s} s does not rise above {last[1]} s", hint="drop repeated frames")
        if last is None or time_s - last[1] > self._how.max_gap_s:
            self._begin(time_s)
            return True, [self._frame(np.where(seen[:, 2:] > 0, seen, np.float32(0)))]
        at = self._due(time_s + ROUNDING * (time_s - last[1]))
        if not len(at):
            return False, []
        times = np.array([last[1], time_s])
        bodies = resample(np.stack([last[0], seen]), times, at, self._how.max_gap_s)
        self._given += len(at)
        return False, [self._frame(body) for body in bodies]

    def _begin(self, time_s: float) -> None:
        self._start_s, self._given = time_s, 1
        self._raw: deque[Float32] = deque(maxlen=self._how.impute_window_frames + 1)
        self._imputed: deque[Float32] = deque(maxlen=self._how.length_frames)
        self._known: deque[NDArray[np.bool_]] = deque(maxlen=self._how.length_frames)

    def _due(self, until_s: float) -> NDArray[np.float64]:
        """Moments after those given, up to and with ``until_s``."""
        count = int(np.floor((until_s - self._start_s) * self._how.fps)) + 1
        moments = self._start_s + np.arange(self._given, max(count, self._given) + 1) / self._how.fps
        due: NDArray[np.float64] = moments[moments <= until_s]
        return due

    def _frame(self, body: Float32) -> Float32:
        """(3, V) of keypoints (V, 3)."""
        self._raw.append(body)
        imputed, known = impute(np.stack(self._raw), self._how.impute_window_frames, ahead_frames=0)
        self._imputed.append(imputed[-1])
        self._known.append(known[-1])
        past, last = np.stack(self._imputed), np.array([len(self._imputed) - 1])
        frame: Float32 = normalise_trailing(past, np.stack(self._known), self._layout, last)[0].T
        return frame
