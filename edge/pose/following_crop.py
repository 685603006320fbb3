"""Looks at each person from nearby: a network that sees the whole frame at 224 pixels misses who is far away.

Everybody who is known gets a cut of the frame around where they were, moved on as they moved; whoever stands close
enough is seen in the same cut. Newcomers are looked for in the whole frame and in squares of several sizes, by turns.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from edge.contract.box import Box, bounding_box
from edge.contract.layouts import JointLayout
from edge.contract.types import Float32, Image, Pose
from edge.pose.estimator import PoseEstimator
from edge.pose.region import Region
from edge.pose.search import Search
from edge.tracking.similarity import displacement, oks, sigmas

AROUND = 1.5
"""Side of a cut, in extents of the person in it: room for an arm that is raised, and for a step."""

SMALLEST = 64
"""Pixels of a cut's side, at least: enlarging fewer shows nothing that is there."""

SAME_PERSON = 0.2
"""Two bodies more alike than this (object keypoint similarity of the joints both have) are one: a cut may end in the
middle of a neighbour, of whom it shows some joints."""

MAX_MISSED, WIDER = 3, 1.4
"""Who was not found in the cut is looked for in so many more frames, each time in a cut so much wider."""


@dataclass(frozen=True)
class _Known:
    """keypoints: (V, 3) when last found. motion: (2,) pixels since the frame before. missed: frames since."""

    keypoints: Float32
    motion: Float32
    missed: int = 0

    @property
    def expected(self) -> Float32:
        keypoints = self.keypoints.copy()
        keypoints[:, :2] += (self.missed + 1) * self.motion
        return keypoints


class FollowingCrop:
    """See :class:`edge.pose.estimator.PoseEstimator`: another one, shown parts of the frame instead of the whole.

    estimator: one that remembers nothing from frame to frame. max_people: followed at once; each who stands apart
    costs a run of the network. search_every_s: newcomers are looked for so often; while nobody is followed or somebody
    is missed, in every frame. See :class:`edge.pose.search.Search`.
    """

    def __init__(self, estimator: PoseEstimator, *, max_people: int, search_every_s: float) -> None:
        self.layout: JointLayout = estimator.layout
        self._estimator, self._max_people, self._search = estimator, max_people, Search(search_every_s)
        self._followed: list[_Known] = []
        self._size: tuple[int, ...] = ()
        self._sigmas = sigmas(self.layout)

    @property
    def network_s(self) -> float:
        return self._estimator.network_s

    def describe(self) -> str:
        return f"{self._estimator.describe()}, cut around each person"

    def close(self) -> None:
        self._estimator.close()

    def estimate(self, image: Image, time_s: float | None = None) -> list[Pose]:
        """See PoseEstimator. A person is looked for where they were, so that none is taken for another."""
        if image.shape != self._size:
            self._size, self._followed = image.shape, []
            self._search.begin(*image.shape[:2])
        found: list[Pose] = []
        for known in self._followed:
            if not self._is_among(known, found):
                cut = around(bounding_box(known.expected), image.shape, WIDER**known.missed)
                found = self._merged(found, self._look(image, cut))
        hurry = not self._followed or any(known.missed for known in self._followed)
        if self._search.is_turn(time_s, hurry):
            found = self._merged(found, self._look(image, inside(self._search.square(), image.shape)))
        found = sorted(found, key=lambda pose: -pose.score)[: self._max_people]
        absent = [known for known in self._followed if not self._is_among(known, found)]
        missed = [replace(known, missed=known.missed + 1) for known in absent if known.missed < MAX_MISSED]
        self._followed = [self._met(pose.keypoints) for pose in found]
        self._followed += missed[: self._max_people - len(found)]
        return found

    def _look(self, image: Image, part: tuple[int, int, int, int]) -> list[Pose]:
        left, top, right, bottom = part
        shift = np.array([left, top, 0], np.float32)
        # A joint that was not seen stays at nought, which is where it was.
        return [
            Pose((pose.keypoints + shift * (pose.keypoints[:, 2:] > 0)).astype(np.float32), pose.score)
            for pose in self._estimator.estimate(np.ascontiguousarray(image[top:bottom, left:right]))
        ]

    def _met(self, keypoints: Float32) -> _Known:
        """Who was found there, with the motion since the frame before, where it is known."""
        nearest = max(self._followed, key=lambda known: self._likeness(known.expected, keypoints), default=None)
        if nearest is None or self._likeness(nearest.expected, keypoints) <= SAME_PERSON:
            return _Known(keypoints, np.zeros(2, np.float32))
        return _Known(keypoints, displacement(nearest.keypoints, keypoints) / np.float32(nearest.missed + 1))

    def _is_among(self, known: _Known, found: Sequence[Pose]) -> bool:
        return any(self._likeness(known.expected, pose.keypoints) > SAME_PERSON for pose in found)

    def _merged(self, had: Sequence[Pose], others: Sequence[Pose]) -> list[Pose]:
        """Bodies of both; of one that is in both, where more of it was seen."""
        result = list(had)
        for pose in others:
            same = [n for n, one in enumerate(result) if self._likeness(one.keypoints, pose.keypoints) > SAME_PERSON]
            if not same:
                result.append(pose)
            elif pose.keypoints[:, 2].sum() > result[same[0]].keypoints[:, 2].sum():
                result[same[0]] = pose
        return result

    def _likeness(self, a: Float32, b: Float32) -> float:
        return float(oks(a[None], b[None], self._sigmas)[0, 0])


def around(box: Box, shape: Sequence[int], wider: float = 1.0) -> tuple[int, int, int, int]:
    """The square cut around a person, kept inside the frame: left, top, right, bottom in whole pixels."""
    height, width = shape[:2]
    left, top, right, bottom = box
    side = max(wider * AROUND * max(right - left, bottom - top), SMALLEST)
    wide, high = (round(min(side, length)) for length in (width, height))
    x = min(max(round((left + right) / 2 - wide / 2), 0), width - wide)
    y = min(max(round((top + bottom) / 2 - high / 2), 0), height - high)
    return x, y, x + wide, y + high


def inside(square: Region, shape: Sequence[int]) -> tuple[int, int, int, int]:
    """The part of the frame that a square covers: left, top, right, bottom in whole pixels."""
    edges = ((middle - square.side / 2, middle + square.side / 2) for middle in (square.x, square.y))
    (left, right), (top, bottom) = edges
    return max(round(left), 0), max(round(top), 0), min(round(right), shape[1]), min(round(bottom), shape[0])
