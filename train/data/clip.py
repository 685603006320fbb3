"""What every dataset reader returns: labelled recordings of skeletons."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from edge.contract.errors import DataError
from edge.contract.layouts import layout
from train.data.bodies import pad_bodies

KINECT_TO_CAMERA = np.array([-1, 1, 1], np.float32)
"""Factor from a Kinect's axes to those of clips: the sensor's x points left in its own view, ours right."""
FARTHEST = 1e6
"""Largest coordinate of a seen joint; larger ones are damaged, and overflow."""


@dataclass(frozen=True)
class Recording:
    """A performance as recorded by one sensor or estimator.

    joints: (M, S, V, D) float32; seen: (M, S, V) bool; fps: frames per second. Axes and units are those of
    :class:`SkeletonClip`; the layout is the set's ``low_layout``.
    """

    joints: NDArray[np.float32] = field(repr=False)
    seen: NDArray[np.bool_] = field(repr=False)
    fps: float


@dataclass(frozen=True)
class SkeletonClip:
    """A labelled recording of one action.

    label: index into the set's classes.
    joints: (M, S, V, D) float32, M bodies, S frames, V joints. D = 2: pixels, x right, y down. D = 3: metres in camera
        axes, x right, y up, z away from the camera.
    seen: (M, S, V) bool; coordinates of unseen joints are undefined.
    fps: frames per second of the recording.
    train: whether it is a training clip of the split.
    low: the same performance from a cheaper sensor or faster estimator, with the same start and end; None where
        low-quality skeletons are made by corruption.
    """

    id: str
    label: int
    joints: NDArray[np.float32] = field(repr=False)
    seen: NDArray[np.bool_] = field(repr=False)
    fps: float
    train: bool
    low: Recording | None = field(default=None, repr=False)


@dataclass(frozen=True)
class SkeletonSet:
    """Labelled clips of one joint layout.

    split: description of the train/test split. low_layout: layout of the clips' ``low`` recordings, if they have any.
    """

    name: str
    classes: tuple[str, ...]
    layout: str
    clips: tuple[SkeletonClip, ...] = field(repr=False)
    split: str
    low_layout: str | None = None

    def part(self, train: bool) -> tuple[SkeletonClip, ...]:
        """The training clips, or the test clips."""
        return tuple(clip for clip in self.clips if clip.train == train)


def validated(data: SkeletonSet) -> SkeletonSet:
    """Check the set and return it, its clips padded with unseen bodies to the same number, as a batch needs.

    Raises DataError for a set without clips; labels outside the classes; recordings with wrong shapes, no frames, no
    frame rate or impossible coordinates; clips in which no joint is ever seen (allowed in ``low``); and ``low``
    recordings without a layout or with another number of bodies.
    """
    if not data.clips:
        raise DataError(f"{data.name} contains no clips", hint="check the folder and the split")
    for clip in data.clips:
        what = f"{data.name}, clip {clip.id}"
        if not 0 <= clip.label < len(data.classes):
            raise DataError(f"{what}: label {clip.label} is not one of {len(data.classes)} classes")
        _check(clip, data.layout, what)
        if not clip.seen.any():
            raise DataError(
                f"{what}: no joint is ever seen; are its coordinates NaN?",
                hint="leave the clip out, or copy the data again",
            )
        if clip.low is None:
            continue
        if data.low_layout is None:
            raise DataError(f"{what} has a second recording, but the set names no layout for it")
        _check(clip.low, data.low_layout, f"{what}, its second recording")
        if len(clip.low.joints) != len(clip.joints):
            raise DataError(f"{what}: {len(clip.joints)} bodies, but {len(clip.low.joints)} in its second recording")
    most = max(len(clip.joints) for clip in data.clips)
    return replace(data, clips=tuple(_padded(clip, most) for clip in data.clips))


def _padded(clip: SkeletonClip, bodies: int) -> SkeletonClip:
    if len(clip.joints) == bodies:
        return clip
    joints, seen = pad_bodies(clip.joints, clip.seen, bodies)
    low = clip.low
    if low is not None:
        low = Recording(*pad_bodies(low.joints, low.seen, bodies), low.fps)
    return replace(clip, joints=joints, seen=seen, low=low)


def _check(recording: SkeletonClip | Recording, name: str, what: str) -> None:
    joints = len(layout(name))
    shape, seen = recording.joints.shape, recording.seen.shape
    if len(shape) != 4 or seen != shape[:3] or shape[2] != joints or shape[3] not in (2, 3) or shape[1] == 0:
        raise DataError(
            f"{what}: joints {shape} and seen {seen} do not fit "
            f"layout {name}, which needs (M, S, {joints}, 2 or 3) and (M, S, {joints})"
        )
    if not 0 < recording.fps < np.inf:
        raise DataError(f"{what}: {recording.fps:g} frames per second", hint="a recording needs two frames or more")
    if not (np.abs(recording.joints[recording.seen]) <= FARTHEST).all():
        raise DataError(
            f"{what}: joints contain NaN, or are further than {FARTHEST:.0e} pixels or metres from the origin",
            hint="mark joints that were not seen in `seen`, or leave the clip out",
        )


def hold_out(data: SkeletonSet, share: float) -> tuple[SkeletonSet, SkeletonSet]:
    """Return the set without ``share`` of each class's training clips, and a set of these alone, as test clips.

    They are taken evenly over each class's clips in their order, so training and validation see the same people and
    places. Validation accuracy therefore tells when to stop, not how well strangers are recognised. A class with one
    clip keeps it.
    """
    kept, held = [], []
    seen: dict[int, int] = {}
    for clip in data.clips:
        if not clip.train:
            kept.append(clip)
            continue
        count = seen[clip.label] = seen.get(clip.label, 0) + 1
        # Hold the n-th clip out where n * share reaches the next whole number.
        if int(count * share) > int((count - 1) * share):
            held.append(replace(clip, train=False))
        else:
            kept.append(clip)
    return replace(data, clips=tuple(kept)), replace(data, clips=tuple(held))
