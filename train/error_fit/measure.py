"""Fit the error model to pairs of recordings, with the good estimator's poses as ground truth."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq

from edge.contract.errors import DataError
from edge.contract.layouts import JointLayout
from edge.contract.types import Float32
from train.data.corruption.estimator_errors import torso_length
from train.data.corruption.fitted_errors import Bursts, FittedErrors, JointErrors

MIN_SEPARATION = 0.3
"""Least distance of left and right, in torso lengths, at which a swap can be detected."""
SHORTEST_S, LONGEST_S = 1e-3, 100.0
"""Range of time constants of noise: shorter ones count as white noise, longer ones are clipped."""
MIN_FRAMES = 10
"""Least number of frames of a clip in which a joint must be seen to measure its noise."""


@dataclass(frozen=True)
class Observed:
    """good, poor: keypoints (S, V, 3) of the same frames in the same layout. fps: frames per second."""

    good: Float32
    poor: Float32
    fps: float

    def at(self, fps: float) -> list[Observed]:
        """Downsample to about ``fps``: every k-th frame, one recording for each of the k phases."""
        k = max(round(self.fps / fps), 1)
        return [Observed(self.good[n::k], self.poor[n::k], self.fps / k) for n in range(k)]


@dataclass
class _MarkovChain:
    """Counts of a two-state chain. on_s: seconds in the state, up to frames whose successor was observed."""

    on: int = 0
    observed: int = 0
    stops: int = 0
    on_s: float = 0.0

    def add(self, state: NDArray[np.bool_], valid: NDArray[np.bool_], fps: float) -> None:
        self.on += int((state & valid).sum())
        self.observed += int(valid.sum())
        before = (state & valid)[:-1] & valid[1:]
        self.stops += int((before & ~state[1:]).sum())
        self.on_s += before.sum() / fps

    def bursts(self, fps: float) -> Bursts:
        """Share and mean duration. With no end observed, the observed time is the duration; with no burst, it is 0."""
        duration_s = max(self.on_s / max(self.stops, 1), 1 / fps) if self.on else 0.0
        return Bursts(self.on / max(self.observed, 1), float(duration_s))


@dataclass
class _Noise:
    """Sums over one joint's offsets in all clips, in torso lengths, over both axes."""

    square: float = 0.0
    count: int = 0
    lagged: list[tuple[float, float, float]] = field(default_factory=list)
    """Per clip: sum of products of neighbouring frames, their mean sum of squares, seconds between them."""
    means: list[tuple[float, int]] = field(default_factory=list)
    """Per clip: squared mean offset, number of frames."""

    def add(self, offsets: NDArray[np.float64], valid: NDArray[np.bool_], fps: float) -> None:
        """Add one clip: offsets (S, 2), valid (S,)."""
        n = int(valid.sum())
        if n < MIN_FRAMES:
            return
        mean = offsets[valid].mean(axis=0)
        rest = np.where(valid[:, None], offsets - mean, 0)
        both = valid[:-1] & valid[1:]
        self.square += float((rest**2).sum())
        self.count += 2 * (n - 1)
        before, after = rest[:-1][both], rest[1:][both]
        self.lagged.append((float((before * after).sum()), float((before**2 + after**2).sum()) / 2, 1 / fps))
        self.means.append((float((mean**2).mean()), n))

    def jitter(self) -> float:
        return math.sqrt(self.square / self.count)

    def time_constant_s(self) -> float:
        """Time constant that explains the products of neighbouring frames, at any mix of frame rates."""
        product, square, apart_s = np.array(self.lagged).T

        def excess(time_s: float) -> float:
            return float((square * np.exp(-apart_s / time_s)).sum() - product.sum())

        if excess(SHORTEST_S) >= 0:
            return 0.0
        return float(brentq(excess, SHORTEST_S, LONGEST_S)) if excess(LONGEST_S) > 0 else LONGEST_S

    def bias(self) -> float:
        return math.sqrt(sum(square * n for square, n in self.means) / sum(n for _, n in self.means))


def fit_errors(
    recordings: Sequence[Observed], layout: JointLayout, fps: float, source: Mapping[str, Any]
) -> FittedErrors:
    """Fit the errors of ``recordings`` (keypoints in ``layout``) at about ``fps`` frames per second.

    Frames count where the good estimator sees the person. There the body is lost or not. If not, each joint that the
    good estimator sees is missed or not, and each left/right pair that is far enough apart is swapped or not. Noise is
    measured after swaps are undone. Raises DataError where a joint was never seen by both.
    """
    lost = _MarkovChain()
    misses = [_MarkovChain() for _ in layout.joints]
    swaps = [_MarkovChain() for _ in layout.pairs]
    noises = [_Noise() for _ in layout.joints]
    downsampled = [slow for recording in recordings for slow in recording.at(fps)]
    for one in downsampled:
        size = torso_length(one.good, layout)
        good_seen, poor_seen = one.good[..., 2] > 0, one.poor[..., 2] > 0
        present, found_any = np.asarray(good_seen.any(axis=1)), np.asarray(poor_seen.any(axis=1))
        lost.add(~found_any, present, one.fps)
        poor = one.poor.astype(np.float64)
        for chain, (left, right) in zip(swaps, layout.pairs, strict=True):
            swapped, detectable = _swapped(one.good, poor, left, right, MIN_SEPARATION * size)
            chain.add(swapped, detectable, one.fps)
            poor[swapped, left], poor[swapped, right] = poor[swapped, right], poor[swapped, left]
        offsets = (poor[..., :2] - one.good[..., :2]) / size
        for v in range(len(layout)):
            misses[v].add(~poor_seen[:, v], good_seen[:, v] & found_any, one.fps)
            noises[v].add(offsets[:, v], good_seen[:, v] & (poor[:, v, 2] > 0), one.fps)
    unknown = [joint for joint, noise in zip(layout.joints, noises, strict=True) if not noise.means]
    if unknown:
        raise DataError(
            f"{unknown[0]} was never seen by both estimators in {MIN_FRAMES} frames of a video",
            hint="add videos that show it, or fit with a --layout without it",
        )
    rate = float(np.mean([one.fps for one in downsampled]))
    joints = {
        joint: JointErrors(chain.bursts(rate), noise.jitter(), noise.time_constant_s(), noise.bias())
        for joint, chain, noise in zip(layout.joints, misses, noises, strict=True)
    }
    pairs = {
        layout.joints[left].removeprefix("left_"): chain.bursts(rate)
        for (left, _), chain in zip(layout.pairs, swaps, strict=True)
    }
    return FittedErrors(layout.name, rate, joints, pairs, lost.bursts(rate), source)


def _swapped(
    good: Float32, poor: NDArray[np.float64], left: int, right: int, apart: float
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Whether left and right are swapped (S,), and where that can be detected (S,).

    It can where the true joints are at least ``apart`` pixels apart and the estimator sees one or both.
    """
    clear = np.linalg.norm(good[:, left, :2] - good[:, right, :2], axis=-1) >= apart
    detectable = (good[:, [left, right], 2] > 0).all(axis=1) & (poor[:, [left, right], 2] > 0).any(axis=1) & clear

    def length(truth: int, estimate: int) -> NDArray[np.float64]:
        """Distance (S,) of an estimate from a true joint; 0 for an unseen estimate."""
        between = np.linalg.norm(good[:, truth, :2] - poor[:, estimate, :2], axis=-1)
        return np.where(poor[:, estimate, 2] > 0, between, 0)

    straight = length(left, left) + length(right, right)
    crossed = length(right, left) + length(left, right)
    return detectable & (crossed < straight), detectable
