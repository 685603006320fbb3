"""An articulated body: proportions, forward kinematics from joint angles, feet that do not slide.

In the body's frame x points to its left, y up and z forward. A body with heading 0 faces the camera, so that its left
hand is on the right of the image.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d
from scipy.spatial.transform import Rotation

from edge.contract.layouts import layout

Array = NDArray[np.float64]

LAYOUT = layout("kinect-20")
SIDES = ("left", "right")
ARM = ("shoulder_flex", "shoulder_abduct", "shoulder_twist", "elbow")
LEG = ("hip_flex", "hip_abduct", "hip_twist", "knee", "sole")
ANGLES = ("lean", "bend", "turn", "nod", "tilt", *(f"{side}_{angle}" for side in SIDES for angle in ARM + LEG))
"""All angles, in degrees; 0 is standing upright with hanging arms.

lean, bend, turn: the trunk forward, to its left, about its axis to the left. nod, tilt: the head forward, to its left.
flex raises a limb forward, abduct sideways; twist rotates it outward about its axis. elbow and knee are 0 when
straight. sole: pitch of the foot against the floor, positive with raised toes.
"""

# Fractions of stature. Segments: Drillis and Contini (1966), as in Winter, "Biomechanics and Motor Control of Human
# Movement". Widths and drops between joint centres, relative to the trunk: as in UTD-MHAD and Penn Action.
RATIOS = {
    "trunk": 0.298,
    "neck": 0.075,
    "shoulder_half_width": 0.103,
    "shoulder_drop": 0.05,
    "hip_half_width": 0.057,
    "hip_drop": 0.04,
    "upper_arm": 0.186,
    "forearm": 0.146,
    "hand": 0.054,
    "thigh": 0.245,
    "shank": 0.246,
    "ankle_height": 0.039,
    "foot": 0.10,
}
HEEL = 0.3
"""Distance of the heel behind the ankle, as a fraction of the foot's length in front of it."""
TOES_OUT_DEG = 8.0
SUPPORT_M = 0.015
"""A foot this much higher than the other carries 1/e of its weight. Small, so that one foot is the pivot."""


@dataclass(frozen=True)
class Body:
    """lengths: of segments in metres, by the names of RATIOS. hand: the preferred side."""

    lengths: Mapping[str, float]
    hand: str


def random_body(rng: np.random.Generator) -> Body:
    """Draw an adult: stature 1.70 +- 0.10 m, ratios with a standard deviation of 4 %, one in ten left-handed."""
    stature = float(np.clip(rng.normal(1.70, 0.10), 1.45, 2.0))
    lengths = {name: stature * ratio * float(np.clip(rng.normal(1, 0.04), 0.9, 1.1)) for name, ratio in RATIOS.items()}
    return Body(lengths, "left" if rng.random() < 0.1 else "right")


def pose(body: Body, angles: Mapping[str, Array], heading_deg: Array) -> tuple[Array, Array]:
    """Forward kinematics from the hip centre, in camera axes (x right, y up, z away).

    angles: curves (S,) for all of ANGLES. heading_deg: (S,), 0 faces the camera, 90 the right of the image.
    Returns joints (S, 20, 3) in metres, layout kinect-20, and heels (S, 2, 3).
    """
    b = body.lengths
    heading = _rotation("Y", heading_deg)
    trunk = heading * _rotation("YXZ", angles["turn"], angles["lean"], -angles["bend"])
    head = trunk * _rotation("XZ", angles["nod"], -angles["tilt"])

    joints = {"hip_centre": np.zeros((len(heading_deg), 3))}
    joints["spine"] = trunk.apply([0, 0.4 * b["trunk"], 0])
    joints["shoulder_centre"] = trunk.apply([0, b["trunk"], 0])
    joints["head"] = joints["shoulder_centre"] + head.apply([0, b["neck"], 0.2 * b["neck"]])
    heels = []
    for side, sign in zip(SIDES, (1, -1), strict=True):
        upper, fore = _limb(trunk, angles, sign, f"{side}_shoulder", -angles[f"{side}_elbow"])
        shoulder = [sign * b["shoulder_half_width"], b["trunk"] - b["shoulder_drop"], 0]
        joints[f"{side}_shoulder"] = trunk.apply(shoulder)
        joints[f"{side}_elbow"] = joints[f"{side}_shoulder"] + upper.apply([0, -b["upper_arm"], 0])
        joints[f"{side}_wrist"] = joints[f"{side}_elbow"] + fore.apply([0, -b["forearm"], 0])
        joints[f"{side}_hand"] = joints[f"{side}_wrist"] + fore.apply([0, -b["hand"], 0])

        thigh, shank = _limb(heading, angles, sign, f"{side}_hip", angles[f"{side}_knee"])
        foot = heading * _rotation("YX", sign * (TOES_OUT_DEG + angles[f"{side}_hip_twist"]), -angles[f"{side}_sole"])
        joints[f"{side}_hip"] = heading.apply([sign * b["hip_half_width"], -b["hip_drop"], 0])
        joints[f"{side}_knee"] = joints[f"{side}_hip"] + thigh.apply([0, -b["thigh"], 0])
        joints[f"{side}_ankle"] = joints[f"{side}_knee"] + shank.apply([0, -b["shank"], 0])
        joints[f"{side}_foot"] = joints[f"{side}_ankle"] + foot.apply([0, -b["ankle_height"], b["foot"]])
        heels.append(joints[f"{side}_ankle"] + foot.apply([0, -b["ankle_height"], -HEEL * b["foot"]]))

    to_camera = np.array([1.0, 1.0, -1.0])  # forward is towards the camera
    return np.stack([joints[name] for name in LAYOUT.joints], axis=1) * to_camera, np.stack(heels, axis=1) * to_camera


def on_floor(joints: Array, heels: Array, lift_m: Array, fps: float) -> Array:
    """Translate joints (S, 20, 3) so that the lowest foot is at y = ``lift_m`` (S,) and supporting feet do not slide.

    The hips move relative to the supporting foot: a gait carries the body forward, a squat shifts the hips back. The
    path starts at x = z = 0.
    """
    soles = np.concatenate([joints[:, LAYOUT.index("left_foot", "right_foot")], heels], axis=1)
    lowest = soles[..., 1].min(axis=1)
    feet = soles[:, :2]
    weight = np.exp(-(np.minimum(feet[..., 1], soles[:, 2:, 1]) - lowest[:, None]) / SUPPORT_M)
    weight /= weight.sum(axis=1, keepdims=True)

    slide = (np.diff(feet, axis=0) * (weight[1:] + weight[:-1])[..., None] / 2).sum(axis=1)
    # Weight moves between the feet within a frame or two; smooth the path, as inertia does.
    path = -np.cumsum(np.concatenate([np.zeros((1, 3)), gaussian_filter1d(slide, 0.08 * fps, axis=0)]), axis=0)
    path[:, 1] = lift_m - lowest
    return joints + path[:, None]


def _rotation(axes: str, *degrees: Array) -> Rotation:
    """Rotations (S,) from intrinsic Euler angles, the first axis outermost."""
    return Rotation.from_euler(axes, np.stack(degrees, axis=-1), degrees=True)


def _limb(
    parent: Rotation, angles: Mapping[str, Array], sign: int, root: str, bend: Array
) -> tuple[Rotation, Rotation]:
    """Orientation of a limb's upper and lower segment. sign: 1 for left, -1 for right."""
    upper = parent * _rotation(
        "ZXY", sign * angles[f"{root}_abduct"], -angles[f"{root}_flex"], sign * angles[f"{root}_twist"]
    )
    return upper, upper * _rotation("X", bend)
