"""BlazePose for several people: detect bodies once, then track each from frame to frame.

The landmark network reads one body in its region and predicts the region for the next frame. The detector finds new
bodies in one square of the frame at a time. The published pipeline tracks one person and searches the whole frame,
scaled to 224 pixels, in which distant bodies are too small to be found. Here squares of several sizes take turns, at
a bounded cost: a few times a second while every body is confirmed, in every frame while one is lost or unconfirmed. A
candidate for a new body is confirmed in the next frame, so that no frame takes much longer than the others.
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
from edge.pose.crop import snap_to_pixels
from edge.pose.region import Region, iou
from edge.pose.search import TILE_SIZES, Search

MIN_PRESENCE = 0.5
"""Below this the landmark network sees no body in the region. MediaPipe's value."""

MIN_VISIBILITY = 0.5
"""Joints less visible than this are guesses."""

SAME_BODY_IOU = 0.5
"""Two regions with a greater intersection over union show the same body. MediaPipe's value."""

CONFIRMATION_SCALE = 1.1
"""A body is confirmed in a square of this many times its region's side."""

TURNS = 1 + len(TILE_SIZES) + 1
"""The detector's turns: the whole frame, a square of each size, then a check of one tracked body."""

NEW, MAX_MISSES = 1, 3
"""Misses of a new body, and misses with which a body is dropped. See :class:`_TrackedBody`."""

MAX_LEAN = math.radians(10)
"""A body that leans no more is not rotated upright for the landmark network: cropping takes a third of the time.
Against COCO's annotations the joints are as accurate up to 12 degrees, and less so beyond."""

SEARCH_AFTER_LOSS_S = 1.0
"""After a body is lost, every frame is searched for so long: the tracker's default max_age_s."""


@dataclass(frozen=True)
class _TrackedBody:
    """misses: checks in a row in which the detector did not confirm the body; a new body starts with one."""

    body: Landmarks
    misses: int


class BlazePose:
    """See :class:`edge.pose.estimator.PoseEstimator`.

    max_people: tracked at once; each costs one run of the landmark network.
    search_every_s: interval of the search for new people while all bodies are confirmed; otherwise every frame is
        searched. See :class:`edge.pose.search.Search`.
    """

    def __init__(self, detector: Engine, landmarks: Engine, *, max_people: int, search_every_s: float) -> None:
        self.layout = layout("blazepose-33")
        self._engines = (TimedEngine(detector), TimedEngine(landmarks))
        self._detector = BodyDetector(self._engines[0])
        self._landmarks = LandmarkNetwork(self._engines[1], max_people)
        self._max_people = max_people
        self._search, self._turns = Search(search_every_s, TURNS), count(1)
        self._tracked: list[_TrackedBody] = []
        self._lost: deque[Region] = deque(maxlen=max_people)
        self._candidates: deque[Region] = deque(maxlen=max_people)
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
        """See PoseEstimator. The first frame, and the first of another size, is searched in all squares."""
        # Candidates are from an earlier frame of the same size.
        candidate = self._candidates.popleft() if self._candidates and image.shape == self._size else None
        squares = self._squares_to_search(image, time_s) if candidate is None else []
        before, self._tracked = self._tracked, []
        bodies = self._landmarks.locate(image, [self._landmark_region(tracked.body.region) for tracked in before])
        for tracked, body in zip(before, bodies, strict=True):
            if not self._track(body, tracked.misses):
                self._lost.append(tracked.body.region)
                self._lost_s = time_s
        if candidate is not None:
            self._confirm_candidate(image, candidate)
        # Confirming takes a second run of the detector: in the next frame, unless no tracked body takes time in this.
        confirm_now = not before
        for square in squares:
            for region in self._detector.detect(image, square):
                if confirm_now:
                    self._confirm_candidate(image, region)
                elif not self._is_tracked(region):
                    self._candidates.append(region)
        bodies = sorted((tracked.body for tracked in self._tracked), key=lambda body: -body.presence)
        return [Pose(body.keypoints, body.presence) for body in bodies]

    def _landmark_region(self, region: Region) -> Region:
        """The region as cropped for the landmark network."""
        return snap_to_pixels(region, self._landmarks.size) if abs(region.rotation) <= MAX_LEAN else region

    def _squares_to_search(self, image: Image, time_s: float | None) -> list[Region]:
        """Squares in which to search this frame; none after a tracked body was checked instead."""
        if image.shape != self._size:
            self._size, self._lost_s = image.shape, None
            self._tracked.clear()
            self._lost.clear()
            self._candidates.clear()
            return self._search.reset(*image.shape[:2])
        if self._lost:
            lost = self._lost.popleft()
            return [Region(lost.x, lost.y, 2 * lost.side)]
        if not self._search.is_due(time_s, self._must_search(time_s)):
            return []
        if next(self._turns) % TURNS == 0 and self._tracked:
            self._check_one(image)
            return []
        return [self._search.next_square()] if len(self._tracked) < self._max_people else []

    def _must_search(self, time_s: float | None) -> bool:
        """Whether nobody is tracked, a body was lost a moment ago, or one is unconfirmed."""
        is_lost = time_s is not None and self._lost_s is not None and time_s - self._lost_s < SEARCH_AFTER_LOSS_S
        return is_lost or not self._tracked or any(tracked.misses for tracked in self._tracked)

    def _check_one(self, image: Image) -> None:
        """Check an unconfirmed body, or else the one that was not checked for the longest time."""
        unconfirmed = (n for n, tracked in enumerate(self._tracked) if tracked.misses)
        # Appended again at the end, so that the next check takes another body.
        tracked = self._tracked.pop(next(unconfirmed, 0))
        misses = 0 if self._detect_again(image, tracked.body.region) else tracked.misses + 1
        if misses < MAX_MISSES:
            self._tracked.append(replace(tracked, misses=misses))

    def _confirm_candidate(self, image: Image, region: Region) -> None:
        """Track the body in a region if the detector finds it again, and nobody else is tracked there."""
        if len(self._tracked) >= self._max_people or self._is_tracked(region):
            return
        again = self._detect_again(image, region)
        if again and not self._is_tracked(again):
            (body,) = self._landmarks.locate(image, [self._landmark_region(again)])
            self._track(body, NEW)

    def _detect_again(self, image: Image, region: Region) -> Region | None:
        """The body's region as the detector finds it in a square that the body fills; None if it does not.

        False detections are rarely found again in this way, whereas the landmark network reports a body in many of
        them.
        """
        closer = replace(region, side=CONFIRMATION_SCALE * region.side)
        found = self._detector.detect(image, closer)
        return next((again for again in found if iou(again, region) > SAME_BODY_IOU), None)

    def _track(self, body: Landmarks, misses: int) -> bool:
        """Track the body; False where none was seen, or it is tracked already."""
        if body.presence < MIN_PRESENCE or self._is_tracked(body.region):
            return False
        self._tracked.append(_TrackedBody(body, misses))
        return True

    def _is_tracked(self, region: Region) -> bool:
        return any(iou(tracked.body.region, region) > SAME_BODY_IOU for tracked in self._tracked)
