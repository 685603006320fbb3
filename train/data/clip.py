"""What every reader yields: one labelled recording of skeletons, and a set of them."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from edge.contract.errors import DataError
from edge.contract.layouts import layout


@dataclass(frozen=True)
class Recording:
    """What one sensor or estimator saw of a performance.

    joints: (M, S, V, D) float32; seen: (M, S, V) bool; fps: frames per second. Axes and units as in
    :class:`SkeletonClip`, joints in the layout that the set names for it.
    """

    joints: NDArray[np.float32] = field(repr=False)
    seen: NDArray[np.bool_] = field(repr=False)
    fps: float


@dataclass(frozen=True)
class SkeletonClip:
    """A recording of one action.

    joints: (M, S, V, D) float32 for M bodies, S frames, V joints; D = 2: pixels, x to the right
        and y down; D = 3: metres, x to the right of the camera, y up, z away from it.
    seen: (M, S, V) bool; coordinates of unseen joints mean nothing.
    fps: frames per second of the recording. label: index into the set's classes.
    train: whether the split puts it among the training clips.
    low: the same performance as a cheaper sensor or a faster estimator saw it, begun and ended at
        the same moments; None where poor skeletons are made by corruption.
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
    """Labelled clips of one layout. ``split`` says in words how train and test were parted.

    low_layout: the layout of the clips' ``low`` recordings, where they have them.
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
    """The same set, or DataError: no clips, labels outside the classes, or recordings that do not fit.

    Those are of wrong joints, without a frame, or not finite; good ones in which no joint is ever seen (a cheap
    estimator may find nobody); second ones without a layout, or of another number of bodies than the first.
    """
    if not data.clips:
        raise DataError(f"{data.name} holds no clips", hint="check the folder and the split")
    for clip in data.clips:
        what = f"{data.name}, clip {clip.id}"
        if not 0 <= clip.label < len(data.classes):
            raise DataError(f"{what}: label {clip.label} is not one of {len(data.classes)} classes")
        _check(clip, data.layout, what)
        if not clip.seen.any():
            raise DataError(
                f"{what}: no joint is ever seen; are its coordinates not numbers?",
                hint="leave the clip out, or copy the data again",
            )
        if clip.low is None:
            continue
        if data.low_layout is None:
            raise DataError(f"{what} has a second recording, but the set names no layout for it")
        _check(clip.low, data.low_layout, f"{what}, its second recording")
        if len(clip.low.joints) != len(clip.joints):
            raise DataError(f"{what}: {len(clip.joints)} bodies, but {len(clip.low.joints)} in its second recording")
    return data


def _check(recording: SkeletonClip | Recording, name: str, what: str) -> None:
    joints = len(layout(name))
    shape, seen = recording.joints.shape, recording.seen.shape
    if len(shape) != 4 or seen != shape[:3] or shape[2] != joints or shape[3] not in (2, 3) or shape[1] == 0:
        raise DataError(
            f"{what}: joints {shape} and seen {seen} do not fit "
            f"layout {name}, which needs (M, S, {joints}, 2 or 3) and (M, S, {joints})"
        )
    if not np.isfinite(recording.joints[recording.seen]).all():
        raise DataError(f"{what}: joints hold NaN or infinite values", hint="mark joints that were not seen in `seen`")
