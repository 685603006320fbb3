"""What flows through the camera loop: small frozen records with documented shapes.

A ``Frame`` becomes a list of ``Pose``; the tracker turns poses into ``Person``; the
recogniser gives each person an ``Action``; sinks receive all of it as a ``FrameResult``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Float32 = NDArray[np.float32]
Image = NDArray[np.uint8]
"""(H, W, 3) uint8, blue-green-red, as OpenCV gives it."""


@dataclass(frozen=True)
class Frame:
    """One picture from a source.

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
class Action:
    """A decision of the recogniser.

    label: class name; score: its softmax probability, 0..1.
    probabilities: (K,) float32 over the bundle's classes.
    """

    label: str
    score: float
    probabilities: Float32 = field(repr=False)


@dataclass(frozen=True)
class Person:
    """A pose with an identity that lasts over frames, and what that person does.

    clip_fill: how much of the clip length has been observed, 0..1.
    action: None until enough of the clip is filled.
    """

    track_id: int
    pose: Pose
    clip_fill: float = 0.0
    action: Action | None = None


@dataclass(frozen=True)
class FrameResult:
    """Everything one turn of the loop found, as sinks receive it.

    latency_ms: stage name -> wall milliseconds spent on this frame.
    """

    frame: Frame
    people: tuple[Person, ...]
    latency_ms: Mapping[str, float]
