"""Turn the student's probabilities into one steady label per person: smoothing, threshold, hysteresis."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edge.contract.bundle import DECISIONS, Bundle
from edge.contract.errors import BundleError
from edge.contract.intervals import require_in
from edge.contract.reading import read_json
from edge.contract.types import UNKNOWN, Action, Float32

DEFAULT_MIN_SCORE = 0.4
"""For bundles without a calibrated threshold."""
CALIBRATE_AGAIN = "run `python -m edge threshold`"


@dataclass(frozen=True)
class DecisionConfig:
    """When a label is decided, and how."""

    hz: float = 5.0
    """Decisions per second about each person, by the source's clock. Larger: quicker changes, more work."""
    stride_frames: int | None = None
    """Decide once every this many frames instead of hz times a second."""
    min_fill: float = 0.5
    """Part of the clip, 0..1, that must have been observed before a decision. Smaller: earlier, less certain
    decisions."""
    smoothing: int = 3
    """Consecutive decisions about a person whose probabilities are averaged. Larger: steadier labels, later changes."""
    min_score: float | None = None
    """Probability, 0..1, from which a label starts; below it the label is "unknown". Unset: the bundle's calibrated
    threshold, or 0.4."""
    hold: float = 0.8
    """Part of min_score, 0..1, above which a label that has started stays. Smaller: labels flicker less, and end
    later."""
    lead: float = 0.1
    """Probability by which another label must lead to replace one that has started."""

    def __post_init__(self) -> None:
        require_in(self, hz="(0, 1000]", smoothing="[1, inf)", stride_frames="[1, inf)")
        require_in(self, min_fill="[0, 1]", min_score="[0, 1]", hold="[0, 1]", lead="[0, 1]")


class Decisions:
    """Decides one person's label from their last probabilities and their current label.

    classes: a class named "unknown" never becomes a label. min_score: the bundle's, unless ``config`` has one.
    """

    def __init__(self, classes: Sequence[str], config: DecisionConfig, min_score: float = DEFAULT_MIN_SCORE) -> None:
        self._classes, self._config = classes, config
        self._min_score = min_score if config.min_score is None else config.min_score
        self._recent: deque[Float32] = deque(maxlen=config.smoothing)
        self._current: int | None = None  # class index of the label that has started

    def decide(self, probabilities: Float32) -> Action:
        """The label after the student's latest probabilities (K,)."""
        self._recent.append(probabilities)
        mean: Float32 = np.stack(self._recent).mean(axis=0)
        best, current = int(mean.argmax()), self._current
        stays = (
            current is not None
            and mean[current] >= self._config.hold * self._min_score
            and (best == current or mean[best] - mean[current] < self._config.lead)
        )
        if not stays:
            starts = mean[best] >= self._min_score and self._classes[best] != UNKNOWN
            self._current = best if starts else None
        if self._current is None:
            return Action(UNKNOWN, float(mean[best]), mean)
        return Action(self._classes[self._current], float(mean[self._current]), mean)


def calibrated_min_score(bundle: Bundle) -> float:
    """The bundle's threshold, or the default if none was calibrated. Raises BundleError for a damaged file."""
    if DECISIONS not in bundle.manifest.files:
        return DEFAULT_MIN_SCORE
    path = bundle.file(DECISIONS)
    value = read_json(path, BundleError, CALIBRATE_AGAIN).get("min_score")
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise BundleError("it contains no threshold", where=path, hint=CALIBRATE_AGAIN)
    if not 0 <= value <= 1:
        raise BundleError(f"its threshold is {value}", where=path, hint=CALIBRATE_AGAIN)
    return float(value)
