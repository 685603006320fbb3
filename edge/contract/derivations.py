"""How joints that a layout lacks are derived from those it has, as data.

The rules of each joint are in order of preference; the first one whose joints the layout has is used.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Derivation:
    """A joint as the mean of others; one listed twice counts twice.

    need_all: whether the joint is unseen unless all of them are seen.
    """

    joints: tuple[str, ...]
    need_all: bool


def _all(joints: str) -> Derivation:
    return Derivation(tuple(joints.split()), need_all=True)


def _any(joints: str) -> Derivation:
    return Derivation(tuple(joints.split()), need_all=False)


def _sides(rules: dict[str, str], make: Callable[[str], Derivation]) -> dict[str, tuple[Derivation, ...]]:
    """Expand rules with ``*`` for a side to left and right."""
    return {
        joint.replace("*", side): (make(parts.replace("*", side)),)
        for joint, parts in rules.items()
        for side in ("left", "right")
    }


_HIP = "*_asis *_asis *_psis *_psis *_knee_side"
_HEAD_BAND = "left_temple right_temple left_back_head right_back_head"

# A mid-shoulder from one shoulder would be wrong by half a body width; a head from one ear is still the head.
# Markers to joints: the head band stands for the head and, a few centimetres too low, for its top. The hip joint lies
# below its side of the pelvis: a fifth of the way to the knee is where Bell's regression puts it for a standing person
# (below the ASIS by 30 % of the distance between them), and at the fraction of the body's height that a Kinect reports.
DERIVED: dict[str, tuple[Derivation, ...]] = {
    "head": (_any("nose left_ear right_ear"), _any(_HEAD_BAND)),
    "head_top": (_any(_HEAD_BAND),),
    "nose": (_all("head"),),
    "neck": (_all("shoulder_centre"), _all("left_shoulder right_shoulder"), _all("c7 clavicle")),
    "shoulder_centre": (_all("left_shoulder right_shoulder"), _all("c7 clavicle")),
    "spine": (_all("left_shoulder right_shoulder left_hip right_hip"), _all("t10 sternum")),
    "hip_centre": (_all("left_hip right_hip"), _all(" ".join(_HIP.replace("*", side) for side in ("left", "right")))),
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
