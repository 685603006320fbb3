"""What flows through the camera loop: small frozen records with documented shapes.

The pose stage turns a ``Frame`` into a ``PoseResult``; the tracker turns its poses into ``Person``; the
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
"""(H, W, 3) uint8 BGR, as OpenCV gives it. A ``Frame`` is an image of a source, with its time."""

TIME_TOLERANCE_S = 1e-3
"""Tolerance when frame times are compared, in seconds: sums of 1/30 s are never exact."""

UNKNOWN = "unknown"
"""The label of a person for whom no class is likely enough.

A student may have a class of this name, trained on clips that show none of its other classes.
"""


@dataclass(frozen=True)
class Frame:
    """One image from a source, with its time.

    index: position in the source, from 0; dropped frames leave gaps.
    time_s: capture time, in seconds of the source's own clock.
    image: (H, W, 3) uint8 BGR.
    """

    index: int
    time_s: float
    image: Image


@dataclass(frozen=True)
class Pose:
    """One body in one frame, in the estimator's joint layout.

    keypoints: (V, 3) float32: x and y in pixels of the frame, score 0..1; a joint
        with score 0 was not detected and its coordinates are undefined.
    score: confidence that this is a body, 0..1.
    """

    keypoints: Float32
    score: float


@dataclass(frozen=True)
class PoseResult:
    """The pose stage's result for one frame.

    poses: all bodies, most confident first; empty if nobody is in view.
    failure: why the stage failed, or None. After a failure poses is empty and says nothing about the scene.
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

    label: class name, or UNKNOWN if no class is likely enough.
    probabilities: (K,) float32 over the bundle's classes, averaged over the person's last decisions.
    score: that of the label, 0..1; for UNKNOWN that of the likeliest class.
    """

    label: str
    score: float
    probabilities: Float32 = field(repr=False)

    @property
    def known(self) -> bool:
        """Whether the label is not UNKNOWN."""
        return self.label != UNKNOWN


@dataclass(frozen=True)
class Person:
    """A tracked pose and its action.

    clip_fill: observed part of the clip length, 0..1.
    action: None until enough of the clip is filled, and for a person who is not followed.
    followed: whether this person's actions are recognised.
    """

    track_id: int
    pose: Pose
    clip_fill: float = 0.0
    action: Action | None = None
    followed: bool = True


@dataclass(frozen=True)
class Following:
    """The one person who is followed. rule: how the person is chosen. track_id: None until one is chosen."""

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
    """A start, an end or a failure.

    time_s: in seconds of the source's own clock. track_id: of the person. label: of the action.
    score: of the action when it starts; when it ends, its highest. since_s: start time of what ended.
    text: what failed or recovered, for people. unix_s: see FrameResult.
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
    """The loop's result for one frame, as sinks receive it.

    latency_ms: stage name -> wall milliseconds spent on this frame.
    poses: all detected bodies, tracked or not.
    failure: which stage failed and why, or None.
    pose_failed: the pose stage failed, so it is not known who was in view.
    events: starts, ends and failures in this frame.
    following: the one person who is followed, None if everybody is.
    joint_dropout: (V,) float32, share of the last seconds, 0..1, in which each joint of the people in view was missed;
    0 for joints that the student does not read.
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
