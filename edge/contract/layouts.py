"""Joint layouts as data, and the mapping from one to another.

A layout names its joints in array order. Left and right are the person's own. Layouts are mapped by joint *name*, never
by position: a target joint is the source joint of the same name, else it is derived by the first rule in
:data:`edge.contract.derivations.DERIVED` whose joints the source has.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from edge.contract.derivations import DERIVED, Derivation
from edge.contract.errors import LayoutError
from edge.contract.types import Float32


@dataclass(frozen=True)
class JointLayout:
    """Joints (V names, in array order), and the bones between them as index pairs."""

    name: str
    joints: tuple[str, ...]
    edges: tuple[tuple[int, int], ...]

    def __hash__(self) -> int:
        # The loop looks up cached mappings many times per frame; hashing all fields would cost more than the mapping.
        return hash(self.name)

    def __len__(self) -> int:
        return len(self.joints)

    def index(self, *names: str) -> tuple[int, ...]:
        """Indices of the named joints. Raises LayoutError if the layout lacks one."""
        missing = [n for n in names if n not in self.joints]
        if missing:
            raise LayoutError(
                f"layout {self.name} has no joint {missing[0]!r}", hint=f"it has {', '.join(self.joints)}"
            )
        return tuple(self.joints.index(n) for n in names)

    @property
    def pairs(self) -> tuple[tuple[int, int], ...]:
        """(left, right) index pairs."""
        return tuple(
            (i, self.joints.index("right_" + name[5:]))
            for i, name in enumerate(self.joints)
            if name.startswith("left_")
        )

    @property
    def mirror(self) -> tuple[int, ...]:
        """The permutation of joints that swaps left and right."""
        order = list(range(len(self)))
        for left, right in self.pairs:
            order[left], order[right] = right, left
        return tuple(order)


def _layout(name: str, joints: str, bones: str) -> JointLayout:
    names = tuple(joints.split())
    edges = tuple((names.index(a), names.index(b)) for a, b in (bone.split("-") for bone in bones.split()))
    return JointLayout(name, names, edges)


_LIMBS = (
    "left_shoulder-left_elbow left_elbow-left_wrist right_shoulder-right_elbow right_elbow-right_wrist "
    "left_hip-left_knee left_knee-left_ankle right_hip-right_knee right_knee-right_ankle "
)
_TRUNK = "left_shoulder-right_shoulder left_hip-right_hip left_shoulder-left_hip right_shoulder-right_hip "
_COCO = (
    "nose left_eye right_eye left_ear right_ear left_shoulder right_shoulder left_elbow right_elbow "
    "left_wrist right_wrist left_hip right_hip left_knee right_knee left_ankle right_ankle"
)
_COCO_FACE = "nose-left_eye nose-right_eye left_eye-left_ear right_eye-right_ear "

# Sources: COCO keypoints (COCO, trt_pose), OpenPose's COCO output format, the BlazePose model card, the
# joint list of NTU RGB+D, the Penn Action and UTD-MHAD read-mes, the UI-PRMD paper (Kinect v2, 22 joints;
# Vicon, the 39 markers of Plug-in-Gait in their usual order).
LAYOUTS: dict[str, JointLayout] = {
    layout.name: layout
    for layout in (
        _layout(
            "penn-13",
            "head left_shoulder right_shoulder left_elbow right_elbow left_wrist right_wrist "
            "left_hip right_hip left_knee right_knee left_ankle right_ankle",
            "head-left_shoulder head-right_shoulder " + _TRUNK + _LIMBS,
        ),
        _layout("coco-17", _COCO, _COCO_FACE + "left_ear-left_shoulder right_ear-right_shoulder " + _TRUNK + _LIMBS),
        _layout(
            "trt_pose-18",
            _COCO + " neck",
            _COCO_FACE + "left_ear-left_shoulder right_ear-right_shoulder neck-nose neck-left_shoulder "
            "neck-right_shoulder neck-left_hip neck-right_hip left_hip-right_hip " + _LIMBS,
        ),
        _layout(
            "openpose-18",
            "nose neck right_shoulder right_elbow right_wrist left_shoulder left_elbow left_wrist right_hip right_knee "
            "right_ankle left_hip left_knee left_ankle right_eye left_eye right_ear left_ear",
            _COCO_FACE + "neck-nose neck-left_shoulder neck-right_shoulder neck-left_hip neck-right_hip " + _LIMBS,
        ),
        _layout(
            "blazepose-33",
            "nose left_eye_inner left_eye left_eye_outer right_eye_inner right_eye right_eye_outer left_ear right_ear "
            "left_mouth right_mouth left_shoulder right_shoulder left_elbow right_elbow left_wrist right_wrist "
            "left_pinky right_pinky left_index right_index left_thumb right_thumb left_hip right_hip left_knee "
            "right_knee left_ankle right_ankle left_heel right_heel left_foot right_foot",
            "nose-left_eye_inner left_eye_inner-left_eye left_eye-left_eye_outer left_eye_outer-left_ear "
            "nose-right_eye_inner right_eye_inner-right_eye right_eye-right_eye_outer right_eye_outer-right_ear "
            "left_mouth-right_mouth left_wrist-left_pinky left_wrist-left_index left_wrist-left_thumb "
            "right_wrist-right_pinky right_wrist-right_index right_wrist-right_thumb left_ankle-left_heel "
            "left_heel-left_foot left_ankle-left_foot right_ankle-right_heel right_heel-right_foot "
            "right_ankle-right_foot " + _TRUNK + _LIMBS,
        ),
        _layout(
            "ntu-25",
            "hip_centre spine neck head left_shoulder left_elbow left_wrist left_hand right_shoulder right_elbow "
            "right_wrist right_hand left_hip left_knee left_ankle left_foot right_hip right_knee right_ankle "
            "right_foot shoulder_centre left_hand_tip left_thumb right_hand_tip right_thumb",
            "hip_centre-spine spine-shoulder_centre shoulder_centre-neck neck-head shoulder_centre-left_shoulder "
            "shoulder_centre-right_shoulder hip_centre-left_hip hip_centre-right_hip left_wrist-left_hand "
            "right_wrist-right_hand left_hand-left_hand_tip left_wrist-left_thumb right_hand-right_hand_tip "
            "right_wrist-right_thumb left_ankle-left_foot right_ankle-right_foot " + _LIMBS,
        ),
        _layout(
            "kinect-20",
            "head shoulder_centre spine hip_centre left_shoulder left_elbow left_wrist left_hand right_shoulder "
            "right_elbow right_wrist right_hand left_hip left_knee left_ankle left_foot right_hip right_knee "
            "right_ankle right_foot",
            "head-shoulder_centre shoulder_centre-spine spine-hip_centre shoulder_centre-left_shoulder "
            "shoulder_centre-right_shoulder hip_centre-left_hip hip_centre-right_hip left_wrist-left_hand "
            "right_wrist-right_hand left_ankle-left_foot right_ankle-right_foot " + _LIMBS,
        ),
        _layout(
            "kinect-22",
            "hip_centre spine shoulder_centre neck head head_top left_collar left_shoulder left_elbow left_wrist "
            "right_collar right_shoulder right_elbow right_wrist left_hip left_knee left_ankle left_foot right_hip "
            "right_knee right_ankle right_foot",
            "hip_centre-spine spine-shoulder_centre shoulder_centre-neck neck-head head-head_top "
            "shoulder_centre-left_collar left_collar-left_shoulder shoulder_centre-right_collar "
            "right_collar-right_shoulder hip_centre-left_hip hip_centre-right_hip left_ankle-left_foot "
            "right_ankle-right_foot " + _LIMBS,
        ),
        # Markers on the skin, named by their place, so that none is confused with the joint beneath it.
        _layout(
            "vicon-39",
            "left_temple right_temple left_back_head right_back_head c7 t10 clavicle sternum scapula "
            "left_acromion left_upper_arm left_epicondyle left_forearm left_wrist_thumb left_wrist_little left_knuckle "
            "right_acromion right_upper_arm right_epicondyle right_forearm right_wrist_thumb right_wrist_little "
            "right_knuckle left_asis right_asis left_psis right_psis "
            "left_thigh left_knee_side left_shin left_malleolus left_heel left_toe "
            "right_thigh right_knee_side right_shin right_malleolus right_heel right_toe",
            "left_temple-right_temple left_back_head-right_back_head left_temple-left_back_head "
            "right_temple-right_back_head left_back_head-c7 right_back_head-c7 c7-clavicle c7-t10 clavicle-sternum "
            "sternum-t10 scapula-c7 scapula-t10 "
            + " ".join(
                f"clavicle-{side}_acromion c7-{side}_acromion {side}_acromion-{side}_upper_arm "
                f"{side}_upper_arm-{side}_epicondyle {side}_epicondyle-{side}_forearm "
                f"{side}_forearm-{side}_wrist_thumb {side}_forearm-{side}_wrist_little "
                f"{side}_wrist_thumb-{side}_knuckle {side}_wrist_little-{side}_knuckle "
                f"sternum-{side}_asis t10-{side}_psis {side}_asis-{side}_psis {side}_asis-{side}_thigh "
                f"{side}_thigh-{side}_knee_side {side}_knee_side-{side}_shin {side}_shin-{side}_malleolus "
                f"{side}_malleolus-{side}_heel {side}_malleolus-{side}_toe {side}_heel-{side}_toe"
                for side in ("left", "right")
            )
            + " left_asis-right_asis left_psis-right_psis",
        ),
    )
}


def layout(name: str) -> JointLayout:
    """The layout of that name. Raises LayoutError, with the known names, if there is none."""
    if name not in LAYOUTS:
        raise LayoutError(f"unknown joint layout {name!r}", hint=f"known layouts: {', '.join(LAYOUTS)}")
    return LAYOUTS[name]


@lru_cache(maxsize=64)
def mapping(source: JointLayout, target: JointLayout) -> tuple[Derivation | None, ...]:
    """For each joint of ``target``, how to derive it from ``source``; None if that is not possible."""

    def rule(joint: str) -> Derivation | None:
        if joint in source.joints:
            return Derivation((joint,), need_all=True)
        rules = DERIVED.get(joint, ())
        return next((d for d in rules if all(j in source.joints for j in d.joints)), None)

    return tuple(rule(joint) for joint in target.joints)


def convert(keypoints: Float32, source: JointLayout, target: JointLayout) -> Float32:
    """Convert keypoints (..., V_source, 3) to (..., V_target, 3); unavailable and unseen joints are (0, 0, 0).

    Raises LayoutError if the array does not fit the source layout.
    """
    if keypoints.shape[-2:] != (len(source), 3):
        raise LayoutError(
            f"keypoints of shape {keypoints.shape} do not fit layout {source.name}, which needs (..., {len(source)}, 3)"
        )
    if source == target:
        return keypoints
    index, counts, needed = _mapping_arrays(source, target)
    parts = keypoints[..., index, :]  # (..., V_target, K, 3)
    seen = (parts[..., 2:] > 0) & counts[..., None]
    count = seen.sum(axis=-2)
    mean = np.where(seen, parts, 0).sum(axis=-2) / np.maximum(count, 1)
    return np.where(count >= needed[:, None], mean, 0).astype(np.float32)


@lru_cache(maxsize=64)
def _mapping_arrays(
    source: JointLayout, target: JointLayout
) -> tuple[NDArray[np.int64], NDArray[np.bool_], NDArray[np.int64]]:
    """The mapping as arrays: for each target joint K source joints, which of them count, and how many must be seen."""
    rules = mapping(source, target)
    most = max((len(rule.joints) for rule in rules if rule), default=1)
    index, counts = np.zeros((len(rules), most), np.int64), np.zeros((len(rules), most), np.bool_)
    needed = np.ones(len(rules), np.int64)
    for v, rule in enumerate(rules):
        if rule is not None:
            index[v, : len(rule.joints)] = source.index(*rule.joints)
            counts[v, : len(rule.joints)] = True
            needed[v] = len(rule.joints) if rule.need_all else 1
    return index, counts, needed
