"""Joints that one layout names and another does not: what they are made of, as data.

For each joint its rules in order of preference; the first whose parts a layout has is used.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Derivation:
    """A joint as the mean of others; one named twice counts twice.

    need_all: unseen unless every one of them is seen.
    """

    joints: tuple[str, ...]
    need_all: bool


def _all(joints: str) -> Derivation:
    return Derivation(tuple(joints.split()), need_all=True)


def _any(joints: str) -> Derivation:
    return Derivation(tuple(joints.split()), need_all=False)


def _sides(rules: dict[str, str], make: Callable[[str], Derivation]) -> dict[str, tuple[Derivation, ...]]:
    """Rules with ``*`` for a side, once for the left and once for the right."""
    return {
        joint.replace("*", side): (make(parts.replace("*", side)),)
        for joint, parts in rules.items()
        for side in ("left", "right")
    }


_HIP = "*_asis *_asis *_psis *_psis *_knee_side"
_HEAD_BAND = "left_temple right_temple left_back_head right_back_head"

# A mid-shoulder from one shoulder would be wrong by half a body; a head from one ear is still the head.
# Markers to joints: the head's band stands for the head and, a few centimetres low, for its top. A hip lies below
# its side of the pelvis: a fifth of the way to the knee brings it to where Bell's regression puts the joint of a
# person who stands (30 % of the distance between the ASIS below them), and to the share of the body's height at
# which a Kinect reports it.
DERIVED: dict[str, tuple[Derivation, ...]] = {
    "head": (_any("nose left_ear right_ear"), _any(_HEAD_BAND)),
    "head_top": (_any(_HEAD_BAND),),
    "nose": (_all("head"),),
    "neck": (_all("shoulder_centre"), _all("left_shoulder right_shoulder"), _all("c7 clavicle")),
    "shoulder_centre": (_all("left_shoulder right_shoulder"), _all("c7 clavicle")),
    "spine": (_all("left_shoulder right_shoulder left_hip right_hip"), _all("t10 sternum")),
    "hip_centre": (
        _all("left_hip right_hip"),
        _all(" ".join(_HIP.replace("*", side) for side in ("left", "right"))),
    ),
    **_sides({"*_hand": "*_index *_pinky"}, _any),
    **_sides({"*_wrist": "*_wrist_thumb *_wrist_little"}, _any),
    **_sides(
        {
            "*_collar": "c7 c7 c7 clavicle clavicle clavicle *_acromion",
            "*_shoulder": "*_acromion",
            "*_elbow": "*_epicondyle",
            "*_hip": _HIP,
            "*_knee": "*_knee_side",
            "*_ankle": "*_malleolus",
            "*_foot": "*_toe",
        },
        _all,
    ),
}
