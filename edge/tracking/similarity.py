"""Two bodies compared: how alike they are (object keypoint similarity), and how far one has moved."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edge.contract.layouts import JointLayout
from edge.contract.types import Float32

# Per-joint constants of COCO's keypoint evaluation; joints it lacks take those of their neighbours.
SIGMAS = {
    "eye": 0.025,
    "nose": 0.026,
    "mouth": 0.026,
    "ear": 0.035,
    "head": 0.035,
    "wrist": 0.062,
    "hand": 0.062,
    "thumb": 0.062,
    "index": 0.062,
    "pinky": 0.062,
    "elbow": 0.072,
    "shoulder": 0.079,
    "neck": 0.079,
    "collar": 0.079,
    "knee": 0.087,
    "ankle": 0.089,
    "heel": 0.089,
    "foot": 0.089,
    "hip": 0.107,
    "spine": 0.107,
}

OTHER_SIGMA = 0.079
"""Of markers on the skin, which have no joint's name."""

MIN_JOINTS = 3
"""Fewer common joints than this say nothing about who it is."""

AREA_OF_BOX = 0.53
"""COCO's sigmas are for the area of the body's outline, which fills about this much of its box."""


def displacement(before: Float32, after: Float32) -> Float32:
    """(2,) pixels that a body (V, 3) has moved: the median over joints, which goes with the body, not a waving arm."""
    both = (before[:, 2] > 0) & (after[:, 2] > 0)
    # NumPy's median does the same in three times the time.
    ordered = (after[:, :2] - before[:, :2])[both]
    ordered.sort(axis=0)
    median: Float32 = (ordered[(len(ordered) - 1) // 2] + ordered[len(ordered) // 2]) / 2
    return median


def sigmas(layout: JointLayout) -> NDArray[np.float64]:
    """(V,) per-joint constants of COCO's keypoint evaluation, by joint name."""
    return np.array([next((SIGMAS[part] for part in SIGMAS if part in joint), OTHER_SIGMA) for joint in layout.joints])


def oks(a: Float32, b: Float32, sigma: NDArray[np.float64]) -> NDArray[np.float64]:
    """Object keypoint similarity (A, B) of bodies (A, V, 3) and (B, V, 3): 1 for the same, 0 for strangers.

    The mean over joints seen in both of exp(-d^2 / (2 s^2 (2 sigma)^2)), with the area s^2 taken from the
    larger of the two boxes; 0 where fewer than MIN_JOINTS joints are common. Source: COCO keypoint evaluation.
    """
    bodies = np.concatenate([a, b])
    seen = bodies[..., 2] > 0
    common = seen[: len(a), None] & seen[len(a) :]
    areas = _box_area(bodies, seen)
    area = np.maximum(areas[: len(a), None], areas[len(a) :])
    apart = a[:, None, :, :2] - b[..., :2]
    apart *= apart
    each = np.exp((apart[..., 0] + apart[..., 1]) / (area[..., None] * (-8 * AREA_OF_BOX * sigma**2))) * common
    count = common.sum(-1)
    return np.where(count >= MIN_JOINTS, each.sum(-1) / np.maximum(count, 1), 0.0)


def _box_area(bodies: Float32, seen: NDArray[np.bool_]) -> NDArray[np.float64]:
    """(N,) area of the box around the joints seen (N, V) of (N, V, 3), in pixels squared, at least 1."""
    xy = bodies[..., :2]
    # The greatest is the least with all signs turned: one search for both corners.
    least = np.where(seen[..., None], np.concatenate([xy, -xy], axis=-1), np.inf).min(axis=1)
    sides = (least[:, :2] + least[:, 2:]).astype(np.float64)
    area: NDArray[np.float64] = np.maximum(sides[:, 0] * sides[:, 1], 1.0)
    return area
