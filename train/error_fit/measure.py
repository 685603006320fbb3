"""Fit the error model to pairs of recordings: the good estimator's poses stand for the truth."""

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
"""Torso lengths between left and right, below which nobody can tell whether an estimator exchanged them."""
SHORTEST_S, LONGEST_S = 1e-3, 100.0
"""Time constants of noise that are told from none, and from a bias."""
MIN_FRAMES = 10
"""A joint seen in fewer frames of a clip says nothing about its noise there."""


@dataclass(frozen=True)
class Observed:
    """good, poor: keypoints (S, V, 3) of the same frames in one layout, fps of them a second."""

    good: Float32
    poor: Float32
    fps: float

    def at(self, fps: float) -> list[Observed]:
        """The recording at about another rate, below its own: every k-th frame, once from each of the first k."""
        k = max(round(self.fps / fps), 1)
        return [Observed(self.good[n::k], self.poor[n::k], self.fps / k) for n in range(k)]


@dataclass
class _MarkovChain:
    """A two-state chain where it was observed: frames, ends of spells, and the seconds that could have had one."""

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

    def spells(self, fps: float) -> Bursts:
        """A spell that never ended lasts at least as long as it was seen to; one that never was lasts 0."""
        lasted_s = max(self.on_s / max(self.stops, 1), 1 / fps) if self.on else 0.0
        return Bursts(self.on / max(self.observed, 1), float(lasted_s))


@dataclass
class _Noise:
    """Sums over the clips' offsets of one joint, in torso lengths, both axes together."""

    square: float = 0.0
    count: int = 0
    lagged: list[tuple[float, float, float]] = field(default_factory=list)
    """Of each clip: sum of products of neighbouring frames, their sum of squares, seconds between them."""
    means: list[tuple[float, int]] = field(default_factory=list)
    """Of each clip: squared mean offset, frames."""

    def add(self, off: NDArray[np.float64], valid: NDArray[np.bool_], fps: float) -> None:
        """off: (S, 2)."""
        n = int(valid.sum())
        if n < MIN_FRAMES:
            return
        mean = off[valid].mean(axis=0)
        rest = np.where(valid[:, None], off - mean, 0)
        both = valid[:-1] & valid[1:]
        self.square += float((rest**2).sum())
        self.count += 2 * (n - 1)
        before, after = rest[:-1][both], rest[1:][both]
        self.lagged.append((float((before * after).sum()), float((before**2 + after**2).sum()) / 2, 1 / fps))
        self.means.append((float((mean**2).mean()), n))

    def jitter(self) -> float:
        return math.sqrt(self.square / max(self.count, 1))

    def lasts_s(self) -> float:
        """The time constant that explains the products of neighbouring frames, whatever their rates."""
        product, square, apart_s = np.array(self.lagged).reshape(-1, 3).T
        if product.sum() <= 0 or square.sum() == 0:
            return 0.0

        def excess(time_s: float) -> float:
            return float((square * np.exp(-apart_s / time_s)).sum() - product.sum())

        if excess(SHORTEST_S) >= 0:
            return 0.0
        return float(brentq(excess, SHORTEST_S, LONGEST_S)) if excess(LONGEST_S) > 0 else LONGEST_S

    def bias(self) -> float:
        weight = sum(n for _, n in self.means)
        return math.sqrt(sum(square * n for square, n in self.means) / weight) if weight else 0.0


def fit_errors(
    recordings: Sequence[Observed], layout: JointLayout, fps: float, source: Mapping[str, Any]
) -> FittedErrors:
    """The errors of ``recordings`` (keypoints in ``layout``), as they show at about ``fps`` frames a second.

    A frame counts where the good estimator sees the person. There the body is lost, or not; if not, each joint
    that the good estimator sees is missed or not; a pair far enough apart is exchanged, or not; and the noise is
    what is left when exchanged joints are put back. Raises DataError where a joint was never seen by both.
    """
    lost = _MarkovChain()
    misses = [_MarkovChain() for _ in layout.joints]
    swaps = [_MarkovChain() for _ in layout.pairs]
    noises = [_Noise() for _ in layout.joints]
    looked_at = [slow for recording in recordings for slow in recording.at(fps)]
    for one in looked_at:
        size = torso_length(one.good, layout)
        sure, found = one.good[..., 2] > 0, one.poor[..., 2] > 0
        present, here = np.asarray(sure.any(axis=1)), np.asarray(found.any(axis=1))
        lost.add(~here, present, one.fps)
        poor = one.poor.astype(np.float64)
        for chain, (left, right) in zip(swaps, layout.pairs, strict=True):
            exchanged, telling = _swapped(one.good, poor, left, right, MIN_SEPARATION * size)
            chain.add(exchanged, telling, one.fps)
            poor[exchanged, left], poor[exchanged, right] = poor[exchanged, right], poor[exchanged, left]
        off = (poor[..., :2] - one.good[..., :2]) / size
        for v in range(len(layout)):
            misses[v].add(~found[:, v], sure[:, v] & here, one.fps)
            noises[v].add(off[:, v], sure[:, v] & (poor[:, v, 2] > 0), one.fps)
    unknown = [joint for joint, noise in zip(layout.joints, noises, strict=True) if not noise.means]
    if unknown:
        raise DataError(
            f"{unknown[0]} was never seen by both estimators in {MIN_FRAMES} frames of a video",
            hint="add videos that show it, or fit with a --layout without it",
        )
    rate = float(np.mean([one.fps for one in looked_at]))
    joints = {
        joint: JointErrors(chain.spells(rate), noise.jitter(), noise.lasts_s(), noise.bias())
        for joint, chain, noise in zip(layout.joints, misses, noises, strict=True)
    }
    pairs = {
        layout.joints[left].removeprefix("left_"): chain.spells(rate)
        for (left, _), chain in zip(layout.pairs, swaps, strict=True)
    }
    return FittedErrors(layout.name, rate, joints, pairs, lost.spells(rate), source)


def _swapped(
    good: Float32, poor: NDArray[np.float64], left: int, right: int, apart: float
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Whether left and right changed places (S,), and where that can be told.

    That is where the true ones lie ``apart`` pixels or more from each other and the estimator shows one or both.
    """
    clear = np.linalg.norm(good[:, left, :2] - good[:, right, :2], axis=-1) >= apart
    telling = (good[:, [left, right], 2] > 0).all(axis=1) & (poor[:, [left, right], 2] > 0).any(axis=1) & clear

    def length(truth: int, estimate: int) -> NDArray[np.float64]:
        """To where an estimate is; one that is not seen has no say."""
        between = np.linalg.norm(good[:, truth, :2] - poor[:, estimate, :2], axis=-1)
        return np.where(poor[:, estimate, 2] > 0, between, 0)

    straight = length(left, left) + length(right, right)
    crossed = length(right, left) + length(left, right)
    return telling & (crossed < straight), telling
