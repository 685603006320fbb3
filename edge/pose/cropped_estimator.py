"""Run a pose network on a crop around each person, because people far away are too small in the whole frame.

Each tracked person gets a crop around their predicted position; people close to each other share a crop.
New people are searched for in the whole frame and in squares of several sizes, in turn.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

import numpy as np

from edge.contract.box import Box
from edge.contract.layouts import JointLayout
from edge.contract.types import Image, Pose
from edge.pose.estimator import PoseEstimator
from edge.pose.region import Region
from edge.pose.search import Search
from edge.tracking.similarity import Body, displacement, sigmas, similar_pairs

CROP_SCALE = 1.5
"""Side of a crop, in extents of the person in it: room for a raised arm, and for a step."""

MIN_CROP = 64
"""Least side of a crop in pixels: enlarging fewer pixels adds no detail."""

SAME_PERSON = 0.2
"""Two bodies with at least this object keypoint similarity are one person: a crop may show
only some joints of a neighbour."""

MAX_MISSED, WIDER = 3, 1.4
"""A person who is not found is searched for in this many more frames, each time in a crop wider by this factor."""


@dataclass(frozen=True)
class _Track:
    """body: when last found. motion: pixels per frame, right and down. missed: frames since it was found."""

    body: Body
    motion: tuple[float, float] = (0.0, 0.0)
    missed: int = 0

    @cached_property
    def predicted(self) -> Body:
        """The body in this frame."""
        dx, dy = self.motion
        return self.body.moved((self.missed + 1) * dx, (self.missed + 1) * dy)

    def found_at(self, body: Body) -> _Track:
        """The track in the next frame, if this is its body now."""
        dx, dy = displacement(self.body, body)
        return _Track(body, (dx / (self.missed + 1), dy / (self.missed + 1)))


class _Found(NamedTuple):
    """body: that of the pose, which comparing would make anew each time."""

    pose: Pose
    body: Body


class CroppedEstimator:
    """A :class:`edge.pose.estimator.PoseEstimator` that runs another one on crops instead of the whole frame.

    estimator: one without memory from frame to frame. max_people: tracked at once; each who stands apart costs a run
    of the network. search_every_s: interval of the search for new people; while nobody is tracked or somebody is
    missed, it runs in every frame. See :class:`edge.pose.search.Search`.
    """

    def __init__(self, estimator: PoseEstimator, *, max_people: int, search_every_s: float) -> None:
        self.layout: JointLayout = estimator.layout
        self._estimator, self._max_people, self._search = estimator, max_people, Search(search_every_s)
        self._tracks: list[_Track] = []
        self._size: tuple[int, ...] = ()
        self._sigmas = sigmas(self.layout)

    @property
    def network_s(self) -> float:
        return self._estimator.network_s

    def describe(self) -> str:
        return f"{self._estimator.describe()}, cropped around each person"

    def close(self) -> None:
        self._estimator.close()

    def estimate(self, image: Image, time_s: float | None = None) -> list[Pose]:
        """See PoseEstimator."""
        if image.shape != self._size:
            self._size, self._tracks = image.shape, []
            self._search.reset(*image.shape[:2])
        found: list[_Found] = []
        for track in self._tracks:
            if not self._similar([track.predicted], found):
                part = crop_around(track.predicted.box, image.shape, WIDER**track.missed)
                found = self._merge(found, self._run(image, part))
        every_frame = not self._tracks or any(track.missed for track in self._tracks)
        if self._search.is_due(time_s, every_frame):
            found = self._merge(found, self._run(image, square_edges(self._search.next_square())))
        found = sorted(found, key=lambda one: -one.pose.score)[: self._max_people]
        self._track(found)
        return [pose for pose, _ in found]

    def _track(self, found: Sequence[_Found]) -> None:
        """Continue the track that is most similar to each body, and those of missed people for a few frames."""
        similarities = self._similar([track.predicted for track in self._tracks], found)
        present = {i for i, _ in similarities}
        absent = [track for i, track in enumerate(self._tracks) if i not in present]
        missed = [replace(track, missed=track.missed + 1) for track in absent if track.missed < MAX_MISSED]
        # The last of equal keys remains, so the most similar pair comes last, and the first of equal ones.
        nearest = {j: self._tracks[i] for i, j in sorted(similarities, key=lambda pair: (similarities[pair], -pair[0]))}
        self._tracks = [
            nearest[j].found_at(body) if j in nearest else _Track(body) for j, (_, body) in enumerate(found)
        ]
        self._tracks += missed[: self._max_people - len(found)]

    def _run(self, image: Image, part: tuple[int, int, int, int]) -> list[_Found]:
        """Poses in a part of the frame, in pixels of the frame."""
        left, top, right, bottom = part
        shift = np.array([left, top, 0], np.float32)
        # A joint that was not seen stays at 0.
        poses = [
            Pose((pose.keypoints + shift * (pose.keypoints[:, 2:] > 0)).astype(np.float32), pose.score)
            for pose in self._estimator.estimate(np.ascontiguousarray(image[top:bottom, left:right]))
        ]
        return [_Found(pose, Body.of(pose.keypoints)) for pose in poses]

    def _merge(self, known: Sequence[_Found], others: Sequence[_Found]) -> list[_Found]:
        """Bodies of both; of a body that is in both, the pose with the greater sum of joint scores."""
        result = list(known)
        for one in others:
            at = min((j for _, j in self._similar([one.body], result)), default=None)
            if at is None:
                result.append(one)
            elif one.pose.keypoints[:, 2].sum() > result[at].pose.keypoints[:, 2].sum():
                result[at] = one
        return result

    def _similar(self, bodies: Sequence[Body], found: Sequence[_Found]) -> dict[tuple[int, int], float]:
        return similar_pairs(bodies, [body for _, body in found], self._sigmas, SAME_PERSON)


def crop_around(box: Box, shape: Sequence[int], scale: float = 1.0) -> tuple[int, int, int, int]:
    """The square crop around a person, kept inside the frame: left, top, right, bottom in whole pixels."""
    height, width = shape[:2]
    left, top, right, bottom = box
    side = max(scale * CROP_SCALE * max(right - left, bottom - top), MIN_CROP)
    wide, high = (round(min(side, length)) for length in (width, height))
    x = min(max(round((left + right) / 2 - wide / 2), 0), width - wide)
    y = min(max(round((top + bottom) / 2 - high / 2), 0), height - high)
    return x, y, x + wide, y + high


def square_edges(square: Region) -> tuple[int, int, int, int]:
    """Left, top, right, bottom of a square in whole pixels. It begins inside the frame, but may end beyond it."""
    low, high = -square.side / 2, square.side / 2
    return max(round(square.x + low), 0), max(round(square.y + low), 0), round(square.x + high), round(square.y + high)
