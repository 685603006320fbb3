"""BlazePose for several people: find bodies once, then follow each from frame to frame.

A detector looks at one square of the frame at a time; the landmark network reads each body's
own region and says where that region will be next. The published pipeline follows one person and
searches the whole frame, squeezed to 224 pixels, in which a distant body is too small to be
found. Here squares of several sizes take turns, so that small bodies are found at a bounded cost: a few
times a second while everybody is well found, in every frame while somebody is missing or in doubt. What looks like
somebody new is looked at again in the next frame, so that none takes much longer than the others.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, replace
from itertools import count

from edge.contract.layouts import layout
from edge.contract.types import Image, Pose
from edge.engines.engine import Engine, TimedEngine
from edge.pose.blazepose_detector import BodyDetector
from edge.pose.blazepose_landmarks import LandmarkNetwork, Landmarks
from edge.pose.crop import level
from edge.pose.region import Region, overlap
from edge.pose.search import TILE_SIZES, Search

MIN_PRESENCE = 0.5
"""Below this the landmark network sees no body in the region. MediaPipe's value."""

MIN_VISIBILITY = 0.5
"""Joints less visible than this are guesses."""

SAME_BODY = 0.5
"""Two regions overlapping by more than this (intersection over union) show one body. MediaPipe's value."""

SECOND_LOOK = 1.1
"""A body is looked for again in a square of this many times its region's side."""

TURNS = 1 + len(TILE_SIZES) + 1
"""After the whole frame and a square of each size the detector looks at a body already followed."""

NEW, MAX_DOUBTS = 1, 3
"""Doubts about a newcomer, and how many are too many: a body that the detector does not confirm so often is none."""

LEAN = math.radians(10)
"""Who leans no more is shown to the landmark network without being turned upright: a block of pixels costs a third.
Held against COCO's annotations joints are as right that way up to 12 degrees, and from there on less so."""

AFTER_LOSS_S = 1.0
"""Who was lost is looked for everywhere, in every frame, for as long as the tracker would know them again."""


@dataclass(frozen=True)
class _Followed:
    """A body, and how many times running the detector has not confirmed it; a newcomer lacks one confirmation."""

    body: Landmarks
    doubts: int


class BlazePose:
    """See :class:`edge.pose.estimator.PoseEstimator`.

    max_people: followed at once; each costs one run of the landmark network.
    search_every_s: newcomers are looked for so often while everybody is well found, else in every frame. A
        larger number saves time and finds newcomers later. See :class:`edge.pose.search.Search`.
    """

    def __init__(self, detector: Engine, landmarks: Engine, *, max_people: int, search_every_s: float) -> None:
        self.layout = layout("blazepose-33")
        self._engines = (TimedEngine(detector), TimedEngine(landmarks))
        self._detector = BodyDetector(self._engines[0])
        self._landmarks = LandmarkNetwork(self._engines[1], max_people)
        self._max_people = max_people
        self._search, self._turns = Search(search_every_s, TURNS), count(1)
        self._followed: list[_Followed] = []
        self._lost: deque[Region] = deque(maxlen=max_people)
        self._suspects: deque[Region] = deque(maxlen=max_people)
        self._lost_s: float | None = None
        self._size: tuple[int, ...] = ()

    @property
    def network_s(self) -> float:
        return sum(engine.busy_s for engine in self._engines)

    def describe(self) -> str:
        return f"BlazePose, {self._engines[1].describe()}"

    def close(self) -> None:
        for engine in self._engines:
            engine.close()

    def estimate(self, image: Image, time_s: float | None = None) -> list[Pose]:
        """See PoseEstimator. The first frame, and the first of another size, is searched whole."""
        squares, suspect = [], self._next_suspect(image)
        if suspect is None:
            squares = self._turn_of_the_detector(image, time_s)
        before, self._followed = self._followed, []
        bodies = self._landmarks.locate(image, [self._view(followed.body.region) for followed in before])
        for followed, body in zip(before, bodies, strict=True):
            if not self._keep(body, followed.doubts):
                self._lost.append(followed.body.region)
                self._lost_s = time_s
        if suspect is not None:
            self._welcome(image, suspect)
        # A second look in the same frame would make it the slowest of all, unless nobody takes its time.
        is_at_once = not before
        for square in squares:
            for _, region in self._detector.detect(image, square):
                if is_at_once:
                    self._welcome(image, region)
                elif not self._is_known(region):
                    self._suspects.append(region)
        return self._poses()

    def _view(self, region: Region) -> Region:
        """What the landmark network is shown of a body in that region."""
        return level(region, self._landmarks.size) if abs(region.rotation) <= LEAN else region

    def _next_suspect(self, image: Image) -> Region | None:
        """What looked like somebody new in the frame before."""
        return self._suspects.popleft() if self._suspects and image.shape == self._size else None

    def _turn_of_the_detector(self, image: Image, time_s: float | None) -> list[Region]:
        """The squares of this frame to search; or none, after a followed body was checked."""
        if image.shape != self._size:
            self._size, self._lost_s = image.shape, None
            self._followed.clear()
            self._lost.clear()
            self._suspects.clear()
            return self._search.begin(*image.shape[:2])
        if self._lost:
            lost = self._lost.popleft()
            return [Region(lost.x, lost.y, 2 * lost.side)]
        if not self._search.is_turn(time_s, self._is_anybody_missing(time_s)):
            return []
        if next(self._turns) % TURNS == 0 and self._followed:
            self._check(image)
            return []
        return [self._search.square()] if len(self._followed) < self._max_people else []

    def _is_anybody_missing(self, time_s: float | None) -> bool:
        """Or may be, for there is nobody, or somebody was lost a moment ago, or is in doubt."""
        is_lost = time_s is not None and self._lost_s is not None and time_s - self._lost_s < AFTER_LOSS_S
        return is_lost or not self._followed or any(followed.doubts for followed in self._followed)

    def _check(self, image: Image) -> None:
        """Look again at who is in doubt, or else at whoever was longest not looked at."""
        in_doubt = (n for n, followed in enumerate(self._followed) if followed.doubts)
        # Put last in the list, so that the next check is another's.
        followed = self._followed.pop(next(in_doubt, 0))
        doubts = 0 if self._look_again(image, followed.body.region) else followed.doubts + 1
        if doubts < MAX_DOUBTS:
            self._followed.append(replace(followed, doubts=doubts))

    def _welcome(self, image: Image, region: Region) -> None:
        if len(self._followed) >= self._max_people or self._is_known(region):
            return
        again = self._look_again(image, region)
        if again and not self._is_known(again):
            (body,) = self._landmarks.locate(image, [self._view(again)])
            self._keep(body, NEW)

    def _look_again(self, image: Image, region: Region) -> Region | None:
        """The body's region as the detector sees it when the body fills its square.

        What only looks like a body is rarely found again in that way, whereas the landmark
        network is sure of a body in much that is none.
        """
        closer = replace(region, side=SECOND_LOOK * region.side)
        found = (again for _, again in self._detector.detect(image, closer))
        return next((again for again in found if overlap(again, region) > SAME_BODY), None)

    def _keep(self, body: Landmarks, doubts: int) -> bool:
        """Follow the body that was read; False where there is none, or one that is followed already."""
        if body.presence < MIN_PRESENCE or self._is_known(body.region):
            return False
        self._followed.append(_Followed(body, doubts))
        return True

    def _is_known(self, region: Region) -> bool:
        return any(overlap(followed.body.region, region) > SAME_BODY for followed in self._followed)

    def _poses(self) -> list[Pose]:
        """Of everybody who is followed, most certain first."""
        bodies = sorted((followed.body for followed in self._followed), key=lambda body: -body.presence)
        return [Pose(body.keypoints, body.presence) for body in bodies]
