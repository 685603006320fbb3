"""Everyday and sport actions: Penn Action and UTD-MHAD merged, plus generated clips and the class "unknown".

The shipped student is trained on this set. Its layout, penn-13, has the joints that every pose estimator of this
package provides. Classes that differ only by side (swipe left and right, the direction of a drawn circle) are merged,
because training mirrors clips. Standing and sitting are the first or last frames of recordings of other actions. The
kinematic generator adds people who stand, walk or jog across the image; UTD-MHAD has only steps on the spot. Ids of
generated clips start with "kinematic-".

The class "unknown", for which the loop reports no action, has exercises of UI-PRMD that are none of the actions, and
random movements. Three more exercises of UI-PRMD are left out, so that there are movements that no student has seen
(`benchmarks/threshold.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from edge.contract.layouts import layout
from edge.contract.types import UNKNOWN
from train.data.clip import SkeletonClip, SkeletonSet, validated
from train.data.generated.body import LAYOUT as BODY_LAYOUT
from train.data.generated.fidgets import fidget
from train.data.generated.kinematic import generate_clip, make_kinematic
from train.data.readers.penn_action import read_penn_action
from train.data.readers.reading import DEFAULT, ReadOptions
from train.data.readers.ui_prmd import read_ui_prmd
from train.data.readers.utd_mhad import read_utd_mhad

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
STAND, SIT = "stand", "sit"
STILL_FRAMES = 8
"""UTD-MHAD recordings start, and those of sitting down end, with at least this many frames of a still person."""
STAND_TAKEN_EVERY = 3
"""Only every third recording gives a standing person, or there would be too many."""
GENERATED = ("walk", "jog", STAND)
GENERATED_PER_CLASS = 240
UNKNOWN_EXERCISES = ("hurdle_step", "standing_shoulder_abduction", "standing_shoulder_extension")
"""Exercises of UI-PRMD in the class unknown. Its squats, lunges and standing up are classes here and not used."""
FIDGETS = 600


def read_everyday(folder: Path, options: ReadOptions = DEFAULT) -> SkeletonSet:
    """Read the sets in ``folder``, each in its own split, and merge them by class name."""
    penn, utd = read_penn_action(folder, options), read_utd_mhad(folder, options)
    generated = make_kinematic(GENERATED_PER_CLASS, seed=0)
    named = {RENAMED.get(name, name) for name in (*penn.classes, *utd.classes)}
    classes = [*sorted(named | {*GENERATED, SIT}), UNKNOWN]
    clips = [
        *_relabelled(penn, classes),
        *_relabelled(utd, classes),
        *_relabelled(generated, classes, only=GENERATED),
        *_still_people(utd, classes),
        *_unknown_clips(folder, classes.index(UNKNOWN)),
    ]
    split = f"Penn Action: {penn.split}; UTD-MHAD and UI-PRMD: {utd.split}; generated: by person"
    return validated(SkeletonSet("everyday", tuple(classes), LAYOUT, tuple(clips), split))


def _relabelled(data: SkeletonSet, classes: list[str], only: tuple[str, ...] | None = None) -> list[SkeletonClip]:
    """The set's clips in LAYOUT with labels that index ``classes``; of the classes ``only``, if given."""
    names = [RENAMED.get(name, name) for name in data.classes]
    return [
        replace(clip, label=classes.index(names[clip.label]))
        for clip in _in_layout(data.layout, data.clips)
        if only is None or names[clip.label] in only
    ]


def _in_layout(source: str, clips: Iterable[SkeletonClip]) -> list[SkeletonClip]:
    """The clips with the joints of LAYOUT, which all these sets name alike. source: their own layout."""
    order = list(layout(source).index(*layout(LAYOUT).joints))
    return [replace(clip, joints=clip.joints[:, :, order], seen=clip.seen[:, :, order]) for clip in clips]


def _still_people(utd: SkeletonSet, classes: list[str]) -> Iterator[SkeletonClip]:
    """Clips of people who stand or sit before or after the recorded action."""
    begin, end = slice(None, STILL_FRAMES), slice(-STILL_FRAMES, None)
    for number, clip in enumerate(_in_layout(utd.layout, utd.clips)):
        action = utd.classes[clip.label]
        if action == "sit_to_stand":
            yield _part(clip, begin, SIT, classes)
        elif action == "stand_to_sit":
            yield _part(clip, end, SIT, classes)
        elif number % STAND_TAKEN_EVERY == 0:
            yield _part(clip, begin, STAND, classes)


def _unknown_clips(folder: Path, label: int) -> Iterator[SkeletonClip]:
    """Clips of the class unknown: the Kinect's recordings of exercises, and generated random movements."""
    exercises = read_ui_prmd(folder)
    wanted = {f"{exercise}_{done}" for exercise in UNKNOWN_EXERCISES for done in ("correct", "incorrect")}
    seen_by_kinect = (
        replace(clip, joints=clip.low.joints, seen=clip.low.seen, fps=clip.low.fps, low=None, label=label)
        for clip in exercises.clips
        if clip.low is not None and exercises.classes[clip.label] in wanted
    )
    yield from _in_layout(exercises.low_layout or exercises.layout, seen_by_kinect)
    fidgets = (generate_clip(fidget, "fidget", label, index, seed=1) for index in range(FIDGETS))
    yield from _in_layout(BODY_LAYOUT.name, fidgets)


def _part(clip: SkeletonClip, frames: slice, name: str, classes: list[str]) -> SkeletonClip:
    label, joints, seen = classes.index(name), clip.joints[:, frames], clip.seen[:, frames]
    return replace(clip, id=f"{clip.id}-{name}", label=label, joints=joints, seen=seen)
