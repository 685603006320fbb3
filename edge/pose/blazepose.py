"""BlazePose for several people: find bodies once, then follow each from picture to picture.

A detector looks at one square of the picture at a time; the landmark network reads each body's
own region and says where that region will be next. The published pipeline follows one person and
searches the whole picture, squeezed to 224 pixels, in which a distant body is too small to be
found. Here squares of several sizes take turns, so that small bodies are found at a bounded cost.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import replace
from itertools import cycle

import numpy as np

from edge.contract.layouts import layout
from edge.contract.types import Image, Pose
from edge.engines.engine import Engine, Timed
from edge.pose.blazepose_detector import BodyDetector
from edge.pose.blazepose_landmarks import LandmarkNetwork, Landmarks
from edge.pose.region import Region, overlap

MIN_PRESENCE = 0.5
"""Below this the landmark network sees no body in the region. MediaPipe's value."""

MIN_VISIBILITY = 0.5
"""Joints less visible than this are guesses."""

SAME_BODY = 0.5
"""Two regions overlapping by more than this (intersection over union) show one body. MediaPipe's value."""

TILE_SIZES = (1.0, 0.75, 0.5)
"""Squares that are searched, besides the whole picture, as parts of the picture's shorter side.
The detector finds bodies from about a quarter of its square up."""


SECOND_LOOK = 1.1
"""A body just found is looked for again in a square of this many times its region's side."""


class BlazePose:
    """See :class:`edge.pose.estimator.PoseEstimator`.

    max_people: followed at once; each costs one run of the landmark network.
    min_joint_score: a joint less visible than this counts as unseen.
    search_interval: one square is searched in every so many pictures while anybody is followed. A
        larger number saves time and finds newcomers later. With nobody in view every picture is searched.
    """

    def __init__(
        self,
        detector: Engine,
        landmarks: Engine,
        *,
        max_people: int,
        min_joint_score: float,
        search_interval: int,
    ) -> None:
        self.layout = layout("blazepose-33")
        self._engines = (Timed(detector), Timed(landmarks))
        self._detector, self._landmarks = BodyDetector(self._engines[0]), LandmarkNetwork(self._engines[1])
        self._max_people, self._min_joint_score, self._interval = max_people, min_joint_score, search_interval
        self._followed: list[Region] = []
        self._lost: deque[Region] = deque(maxlen=max_people)
        self._size = (0, 0)
        self._rounds: Iterator[Region] = iter(())
        self._pictures = 0

    @property
    def network_s(self) -> float:
        return sum(engine.busy_s for engine in self._engines)

    def describe(self) -> str:
        return f"BlazePose full, {self._engines[1].describe()}"

    def close(self) -> None:
        for engine in self._engines:
            engine.close()

    def estimate(self, image: Image) -> list[Pose]:
        """See PoseEstimator. The first picture, and the first of another size, is searched whole."""
        searched = self._squares_to_search(image)
        bodies: list[Landmarks] = []
        for region in self._followed:
            if not self._add(bodies, image, region):
                self._lost.append(region)
        for square in searched:
            for _, region in self._detector.detect(image, square):
                if len(bodies) < self._max_people and not _among(bodies, region):
                    self._add_newcomer(bodies, image, region)
        self._followed = [body.region for body in bodies]
        return [self._pose(body) for body in sorted(bodies, key=lambda body: -body.presence)]

    def _add(self, bodies: list[Landmarks], image: Image, region: Region) -> bool:
        """Read the body in the region; False where there is none, or one that ``bodies`` has already."""
        body = self._landmarks.locate(image, region)
        if body.presence < MIN_PRESENCE or _among(bodies, body.region):
            return False
        bodies.append(body)
        return True

    def _add_newcomer(self, bodies: list[Landmarks], image: Image, region: Region) -> None:
        # What only looks like a body is rarely found again once it fills the detector's square,
        # whereas the landmark network is sure of a body in much that is none.
        closer = replace(region, side=SECOND_LOOK * region.side)
        again = [found for _, found in self._detector.detect(image, closer) if overlap(found, region) > SAME_BODY]
        if again and not _among(bodies, again[0]):
            self._add(bodies, image, again[0])

    def _squares_to_search(self, image: Image) -> list[Region]:
        height, width = image.shape[:2]
        self._pictures += 1
        if (height, width) != self._size:
            self._size, self._followed, self._pictures = (height, width), [], 0
            levels = search_levels(height, width)
            self._rounds = (next(tiles) for tiles in cycle([cycle(level) for level in levels]))
            return [square for level in levels for square in level]
        if self._lost:
            lost = self._lost.popleft()
            return [Region(lost.x, lost.y, 2 * lost.side)]
        if self._followed and self._pictures % self._interval:
            return []
        return [next(self._rounds)]

    def _pose(self, body: Landmarks) -> Pose:
        keypoints = body.keypoints.copy()
        keypoints[keypoints[:, 2] < self._min_joint_score, 2] = 0
        return Pose(keypoints, body.presence)


def _among(bodies: list[Landmarks], region: Region) -> bool:
    return any(overlap(body.region, region) > SAME_BODY for body in bodies)


def search_levels(height: int, width: int) -> list[list[Region]]:
    """Squares that cover a picture: the whole of it, then per size of :data:`TILE_SIZES` a grid, half overlapping."""
    levels = [[Region(width / 2, height / 2, max(height, width))]]
    for part in TILE_SIZES:
        side = part * min(height, width)
        levels.append([Region(x, y, side) for y in _centres(height, side) for x in _centres(width, side)])
    return levels


def _centres(length: int, side: float) -> list[float]:
    """Middles of the fewest stretches of ``side`` that cover ``length``, neighbours sharing at least half."""
    count = 1 + int(np.ceil(2 * (length - side) / side))
    return np.linspace(side / 2, length - side / 2, count).tolist() if count > 1 else [length / 2]
