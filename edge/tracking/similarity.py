"""Compare two bodies: object keypoint similarity (OKS), and how far a body has moved.

All of it is plain Python. A body is a few dozen numbers, and a run of the pose network evicts NumPy's code from the
processor's caches: with it the tracker takes twice as long for one person.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp
from statistics import median

from edge.contract.box import Box
from edge.contract.layouts import JointLayout
from edge.contract.types import Float32

# Per-joint constants of COCO's keypoint evaluation. Joints that COCO lacks take those of their neighbours.
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
"""For markers on the skin, which are not named after a joint."""

MAX_SIGMA = max(SIGMAS.values())

MIN_JOINTS = 3
"""With fewer common joints than this two bodies cannot be compared."""

AREA_OF_BOX = 0.53
"""COCO's sigmas are for the area of the body's outline, which fills about this part of its bounding box."""


@dataclass(frozen=True)
class Body:
    """The keypoints of one body as Python floats.

    joints: V of (x, y, score), in pixels; unseen where score is 0. seen: number of joints seen.
    box: bounding box of the joints seen; all 0 where there are none.
    """

    joints: Sequence[Sequence[float]]
    seen: int
    box: Box

    @staticmethod
    def of(keypoints: Float32) -> Body:
        """The body with keypoints (V, 3)."""
        joints = keypoints.tolist()
        xs = [x for x, _, score in joints if score > 0]
        ys = [y for _, y, score in joints if score > 0]
        return Body(joints, len(xs), (min(xs), min(ys), max(xs), max(ys)) if xs else (0.0, 0.0, 0.0, 0.0))

    def moved(self, dx: float, dy: float) -> Body:
        """The same body, moved right and down by this many pixels."""
        left, top, right, bottom = self.box
        joints = [(x + dx, y + dy, score) for x, y, score in self.joints]
        return Body(joints, self.seen, (left + dx, top + dy, right + dx, bottom + dy))


def displacement(before: Body, after: Body) -> tuple[float, float]:
    """Pixels that a body has moved right and down: the median over joints, which a waving arm does not change."""
    steps = [
        (x - old_x, y - old_y)
        for (old_x, old_y, old_score), (x, y, score) in zip(before.joints, after.joints, strict=True)
        if old_score > 0 and score > 0
    ]
    return median(dx for dx, _ in steps), median(dy for _, dy in steps)


def sigmas(layout: JointLayout) -> tuple[float, ...]:
    """Per-joint constants (V) of COCO's keypoint evaluation, by joint name."""
    return tuple(next((SIGMAS[part] for part in SIGMAS if part in joint), OTHER_SIGMA) for joint in layout.joints)


def oks(a: Body, b: Body, sigmas: Sequence[float], min_similarity: float = 0.0) -> float:
    """Object keypoint similarity of two bodies: 1 for the same, 0 for two with fewer than MIN_JOINTS common joints.

    The mean over joints seen in both of exp(-d^2 / (2 s^2 (2 sigma)^2)), with the area s^2 taken from the larger of
    the two boxes. Source: COCO keypoint evaluation. min_similarity: gate, anything below it becomes 0.
    """
    a_left, a_top, a_right, a_bottom = a.box
    b_left, b_top, b_right, b_bottom = b.box
    area = max((a_right - a_left) * (a_bottom - a_top), (b_right - b_left) * (b_bottom - b_top), 1.0)
    scale = -8 * AREA_OF_BOX * area
    # No joint of one body is nearer to a joint of the other than the gap between the boxes: most pairs end here.
    gap_x, gap_y = max(a_left - b_right, b_left - a_right, 0.0), max(a_top - b_bottom, b_top - a_bottom, 0.0)
    if exp((gap_x**2 + gap_y**2) / (scale * MAX_SIGMA**2)) < min_similarity:
        return 0.0
    each = [
        exp(((ax - bx) ** 2 + (ay - by) ** 2) / (scale * sigma**2))
        for (ax, ay, a_score), (bx, by, b_score), sigma in zip(a.joints, b.joints, sigmas, strict=True)
        if a_score > 0 and b_score > 0
    ]
    similarity = sum(each) / len(each) if len(each) >= MIN_JOINTS else 0.0
    return similarity if similarity >= min_similarity else 0.0
