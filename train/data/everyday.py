"""Everyday and sport actions: Penn Action and UTD-MHAD joined where they agree, with walking that travels.

The set the shipped student is trained on. Its layout, penn-13, holds the joints that every pose
estimator of this package gives. Classes that only differ by side (swipe left, swipe right; the
direction of a drawn circle) are one, because training mirrors its clips. Three classes are added
or widened by the kinematic generator, whose recordings say so in their id: people who walk or jog
through the picture, where UTD-MHAD has only steps on the spot, and people who stand.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from edge.contract.layouts import layout
from train.data.clip import SkeletonClip, SkeletonSet, checked
from train.data.kinematic import make_kinematic
from train.data.penn_action import read_penn_action
from train.data.utd_mhad import read_utd_mhad

LAYOUT = "penn-13"
RENAMED = {
    "bowling": "bowl",
    "tennis_swing": "tennis_forehand",
    "swipe_left": "swipe",
    "swipe_right": "swipe",
    "draw_circle_clockwise": "draw_circle",
    "draw_circle_counter_clockwise": "draw_circle",
    "walk_in_place": "walk",
    "jog_in_place": "jog",
}
STAND = "stand"
STAND_FRAMES = 8
"""UTD-MHAD recordings begin with a person standing still for at least this many frames."""
GENERATED = ("walk", "jog", STAND)
GENERATED_PER_CLASS = 80


def read_everyday(folder: Path) -> SkeletonSet:
    """Both sets in ``folder``, each in its own split, joined by class name."""
    penn, utd = read_penn_action(folder), read_utd_mhad(folder)
    generated = make_kinematic(GENERATED_PER_CLASS, seed=0)
    classes = sorted({_renamed(name) for name in (*penn.classes, *utd.classes)} | set(GENERATED))
    clips = [
        *_joined(penn, classes),
        *_joined(utd, classes),
        *_joined(generated, classes, only=GENERATED),
        *(_beginning(clip, classes.index(STAND)) for clip in _in_layout(utd) if clip.label % 3 == 0),
    ]
    split = f"Penn Action: {penn.split}; UTD-MHAD: {utd.split}; generated walk, jog, stand: by person"
    return checked(SkeletonSet("everyday", tuple(classes), LAYOUT, tuple(clips), split))


def _renamed(name: str) -> str:
    return RENAMED.get(name, name)


def _joined(data: SkeletonSet, classes: list[str], only: tuple[str, ...] | None = None) -> list[SkeletonClip]:
    """The set's clips with labels counted in ``classes``."""
    return [
        replace(clip, label=classes.index(_renamed(data.classes[clip.label])))
        for clip in _in_layout(data)
        if only is None or _renamed(data.classes[clip.label]) in only
    ]


def _in_layout(data: SkeletonSet) -> list[SkeletonClip]:
    """The clips with the joints of LAYOUT, which every set here has under the same names."""
    order = list(layout(data.layout).index(*layout(LAYOUT).joints))
    return [replace(clip, joints=clip.joints[:, :, order], seen=clip.seen[:, :, order]) for clip in data.clips]


def _beginning(clip: SkeletonClip, label: int) -> SkeletonClip:
    """A person standing before the action starts."""
    return replace(
        clip,
        id=f"{clip.id}-stand",
        label=label,
        joints=np.ascontiguousarray(clip.joints[:, :STAND_FRAMES]),
        seen=np.ascontiguousarray(clip.seen[:, :STAND_FRAMES]),
    )
