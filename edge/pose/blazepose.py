"""BlazePose for several people: find bodies once, then follow each from picture to picture.

A detector looks at one square of the picture at a time; the landmark network reads each body's
own region and says where that region will be next. The published pipeline follows one person and
searches the whole picture, squeezed to 224 pixels, in which a distant body is too small to be
found. Here squares of several sizes take turns, so that small bodies are found at a bounded cost.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import cycle

from edge.contract.layouts import layout
from edge.contract.types import Image, Pose
from edge.engines.engine import Engine, Timed
from edge.pose.blazepose_detector import BodyDetector
from edge.pose.blazepose_landmarks import LandmarkNetwork, Landmarks
from edge.pose.region import Region, overlap
from edge.pose.search import search_levels

MIN_PRESENCE = 0.5
"""Below this the landmark network sees no body in the region. MediaPipe's value."""

MIN_VISIBILITY = 0.5
"""Joints less visible than this are guesses."""

SAME_BODY = 0.5
"""Two regions overlapping by more than this (intersection over union) show one body. MediaPipe's value."""

SECOND_LOOK = 1.1
"""A body is looked for again in a square of this many times its region's side."""

CHECK_TURN, MAX_DOUBTS = 4, 3
"""Every fourth turn of the detector goes to a body already followed; in vain three times running, it was none."""


@dataclass(frozen=True)
class _Followed:
    """A body, and how many times running the detector has not confirmed it."""

    body: Landmarks
    doubts: int = 0


class BlazePose:
    """See :class:`edge.pose.estimator.PoseEstimator`.

    max_people: followed at once; each costs one run of the landmark network.
    min_joint_score: a joint less visible than this counts as unseen.
    search_interval: the detector runs in every so many pictures while anybody is followed. A larger
        number saves time and finds newcomers later. With nobody in view it runs in every picture.
    """

    def __init__(
        self, detector: Engine, landmarks: Engine, *, max_people: int, min_joint_score: float, search_interval: int
    ) -> None:
        self.layout = layout("blazepose-33")
        self._engines = (Timed(detector), Timed(landmarks))
        self._detector, self._landmarks = BodyDetector(self._engines[0]), LandmarkNetwork(self._engines[1])
        self._max_people, self._min_joint_score, self._interval = max_people, min_joint_score, search_interval
        self._followed: list[_Followed] = []
        self._lost: deque[Region] = deque(maxlen=max_people)
        self._size: tuple[int, ...] = ()
        self._tiles: Iterator[Region] = iter(())
        self._pictures = 0

    @property
    def network_s(self) -> float:
        return sum(engine.busy_s for engine in self._engines)

    def describe(self) -> str:
        return f"BlazePose, {self._engines[1].describe()}"

    def close(self) -> None:
        for engine in self._engines:
            engine.close()

    def estimate(self, image: Image) -> list[Pose]:
        """See PoseEstimator. The first picture, and the first of another size, is searched whole."""
        squares = self._turn_of_the_detector(image)
        before, self._followed = self._followed, []
        bodies = self._landmarks.locate(image, [followed.body.region for followed in before])
        for followed, body in zip(before, bodies, strict=True):
            if not self._keep(body, followed.doubts):
                self._lost.append(followed.body.region)
        for square in squares:
            for _, region in self._detector.detect(image, square):
                if len(self._followed) < self._max_people and not self._is_known(region):
                    self._welcome(image, region)
        poses = [self._pose(followed.body) for followed in self._followed]
        return sorted(poses, key=lambda pose: -pose.score)

    def _turn_of_the_detector(self, image: Image) -> list[Region]:
        """The squares of this picture to search; or none, after a followed body was checked."""
        if image.shape != self._size:
            self._size, self._pictures = image.shape, 0
            self._followed.clear()
            self._lost.clear()
            levels = search_levels(*image.shape[:2])
            self._tiles = (next(tiles) for tiles in cycle([cycle(level) for level in levels]))
            return [square for level in levels for square in level]
        if self._lost:
            lost = self._lost.popleft()
            return [Region(lost.x, lost.y, 2 * lost.side)]
        self._pictures += 1
        turn, rest = divmod(self._pictures, self._interval)
        if self._followed and rest:
            return []
        if self._followed and (turn % CHECK_TURN == 0 or len(self._followed) == self._max_people):
            self._check(image, self._followed.pop(0))
            return []
        return [next(self._tiles)]

    def _check(self, image: Image, followed: _Followed) -> None:
        # Put last in the list, so that the next check is another's.
        doubts = 0 if self._look_again(image, followed.body.region) else followed.doubts + 1
        if doubts < MAX_DOUBTS:
            self._followed.append(replace(followed, doubts=doubts))

    def _welcome(self, image: Image, region: Region) -> None:
        again = self._look_again(image, region)
        if again and not self._is_known(again):
            (body,) = self._landmarks.locate(image, [again])
            self._keep(body)

    def _look_again(self, image: Image, region: Region) -> Region | None:
        """The body's region as the detector sees it when the body fills its square.

        What only looks like a body is rarely found again in that way, whereas the landmark
        network is sure of a body in much that is none.
        """
        closer = replace(region, side=SECOND_LOOK * region.side)
        found = (again for _, again in self._detector.detect(image, closer))
        return next((again for again in found if overlap(again, region) > SAME_BODY), None)

    def _keep(self, body: Landmarks, doubts: int = 0) -> bool:
        """Follow the body that was read; False where there is none, or one that is followed already."""
        if body.presence < MIN_PRESENCE or self._is_known(body.region):
            return False
        self._followed.append(_Followed(body, doubts))
        return True

    def _is_known(self, region: Region) -> bool:
        return any(overlap(followed.body.region, region) > SAME_BODY for followed in self._followed)

    def _pose(self, body: Landmarks) -> Pose:
        keypoints = body.keypoints.copy()
        keypoints[keypoints[:, 2] < self._min_joint_score, 2] = 0
        return Pose(keypoints, body.presence)
