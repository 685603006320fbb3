"""What flows through the camera loop: small frozen records with documented shapes.

A ``Frame`` becomes a ``PoseResult`` of poses; the tracker turns poses into ``Person``; the
recogniser gives each person an ``Action``; sinks receive all of it as a ``FrameResult``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Float32 = NDArray[np.float32]
Image = NDArray[np.uint8]
"""(H, W, 3) uint8, blue-green-red, as OpenCV gives it: what a network is shown or a file holds. A Frame is one of a
source, with its time."""

TIME_TOLERANCE_S = 1e-3
"""By which a time may fall short of what is asked of it: times of thirty frames a second never add up exactly."""

UNKNOWN = "unknown"
"""The label of who was watched long enough and does nothing that the student is sure about.

A class of this name, if a student has one, is what it was shown as none of the others.
"""


@dataclass(frozen=True)
class Frame:
    """One image from a source, with the time at which it was taken.

    index: position in the source, from 0; dropped frames leave gaps.
    time_s: when it was taken, in seconds of the source's own clock.
    image: (H, W, 3) uint8 BGR.
    """

    index: int
    time_s: float
    image: Image


@dataclass(frozen=True)
class Pose:
    """One body in one frame, in the layout of the estimator that saw it.

    keypoints: (V, 3) float32: x and y in pixels of the frame, score 0..1; a joint
        with score 0 was not seen and its coordinates mean nothing.
    score: how sure the estimator is that this is a body, 0..1.
    """

    keypoints: Float32
    score: float


@dataclass(frozen=True)
class PoseResult:
    """What the pose stage made of one frame.

    poses: all bodies, most certain first; empty where nobody is in view.
    failure: why there is no answer, None where there is one. Then poses is empty and means nothing.
    latency_ms: stage name -> wall milliseconds. network_s: seconds spent inside the network.
    """

    frame: Frame
    poses: tuple[Pose, ...]
    failure: str | None = None
    latency_ms: Mapping[str, float] = field(default_factory=dict)
    network_s: float = 0.0


@dataclass(frozen=True)
class Action:
    """A decision of the recogniser.

    label: class name, or UNKNOWN where no class is likely enough; score: softmax probability of the label,
        0..1, and for UNKNOWN that of the likeliest class.
    probabilities: (K,) float32 over the bundle's classes.
    """

    label: str
    score: float
    probabilities: Float32 = field(repr=False)

    @property
    def known(self) -> bool:
        """Whether something is said, which UNKNOWN does not."""
        return self.label != UNKNOWN


@dataclass(frozen=True)
class Person:
    """A pose with an identity that lasts over frames, and what that person does.

    clip_fill: how much of the clip length has been observed, 0..1.
    action: None until enough of the clip is filled, and for who is not followed.
    followed: whether decisions are made about this person.
    """

    track_id: int
    pose: Pose
    clip_fill: float = 0.0
    action: Action | None = None
    followed: bool = True


@dataclass(frozen=True)
class Following:
    """One person is followed. rule: how that person was chosen. track_id: None where nobody was yet."""

    rule: str
    track_id: int | None


EventKind = Literal[
    "person_entered",
    "person_left",
    "person_followed",
    "action_started",
    "action_ended",
    "stage_failed",
    "source_lost",
    "source_back",
]


@dataclass(frozen=True)
class Event:
    """Something that began, ended or broke.

    time_s: when, in seconds of the source's own clock. track_id: of the person, label: of the action.
    score: of the action when it began, or the highest it reached when it ended. since_s: when what ended
    had begun. text: what broke, for people. unix_s: see FrameResult.
    """

    kind: EventKind
    time_s: float
    track_id: int | None = None
    label: str | None = None
    score: float | None = None
    since_s: float | None = None
    text: str | None = None
    unix_s: float | None = None


@dataclass(frozen=True)
class FrameResult:
    """Everything one turn of the loop found, as sinks receive it.

    latency_ms: stage name -> wall milliseconds spent on this frame.
    poses: all bodies that the estimator saw, tracked or not.
    failure: why this frame has no answer, None where it has one: nobody in view is an answer.
    pose_failed: it was the pose stage that failed, so that nothing is known of who was there.
    events: what began, ended or broke with this frame.
    following: the one person who is followed, None where everybody is.
    joint_dropout: (V,) float32, part of the last seconds, 0..1, in which each joint of the people in view was not seen.
    unix_s: wall clock when the result of a live source reached the sinks, in seconds since 1970; None for recordings.
    """

    frame: Frame
    people: tuple[Person, ...]
    latency_ms: Mapping[str, float]
    poses: tuple[Pose, ...] = ()
    failure: str | None = None
    events: tuple[Event, ...] = ()
    joint_dropout: Float32 | None = None
    following: Following | None = None
    pose_failed: bool = False
    unix_s: float | None = None
