"""Compare two bodies: object keypoint similarity (OKS), and how far a body has moved.

Bodies are compared in plain Python. A body is a few dozen numbers, and a run of the pose network evicts NumPy's code
from the processor's caches: with it the tracker takes twice as long for one person.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, log
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
    return tuple(
        next((SIGMAS[part] for part in SIGMAS if part in joint.split("_")), OTHER_SIGMA) for joint in layout.joints
    )


def oks(a: Body, b: Body, sigmas: Sequence[float]) -> float:
    """Object keypoint similarity of two bodies: 1 for the same, 0 for two with fewer than MIN_JOINTS common joints.

    The mean over joints seen in both of exp(-d^2 / (2 s^2 (2 sigma)^2)), with the area s^2 taken from the larger of
    the two boxes. Source: COCO keypoint evaluation.
    """
    scale = -8 * AREA_OF_BOX * max(_box_area(a), _box_area(b), 1.0)
    each = [
        exp(((ax - bx) ** 2 + (ay - by) ** 2) / (scale * sigma**2))
        for (ax, ay, a_score), (bx, by, b_score), sigma in zip(a.joints, b.joints, sigmas, strict=True)
        if a_score > 0 and b_score > 0
    ]
    return sum(each) / len(each) if len(each) >= MIN_JOINTS else 0.0


def similar_pairs(
    before: Sequence[Body], after: Sequence[Body], sigmas: Sequence[float], min_similarity: float
) -> dict[tuple[int, int], float]:
    """Index in ``before`` and in ``after`` -> :func:`oks`, of all pairs that reach ``min_similarity``, above 0."""
    found = {(i, j): oks(before[i], after[j], sigmas) for i, j in _near_pairs(before, after, min_similarity)}
    return {pair: similarity for pair, similarity in found.items() if similarity >= min_similarity}


def _near_pairs(before: Sequence[Body], after: Sequence[Body], min_similarity: float) -> list[tuple[int, int]]:
    """The pairs that may reach ``min_similarity``.

    No joint of one body is nearer to a joint of the other than the gap between their boxes: most pairs end here.
    """
    limit = -log(min_similarity) * 8 * AREA_OF_BOX * MAX_SIGMA**2
    boxes = [(*body.box, max(_box_area(body), 1.0)) for body in after]
    near = []
    for i, body in enumerate(before):
        left, top, right, bottom = body.box
        area = _box_area(body)
        for j, (other_left, other_top, other_right, other_bottom, other_area) in enumerate(boxes):
            gap_x = other_left - right if other_left > right else left - other_right if left > other_right else 0.0
            gap_y = other_top - bottom if other_top > bottom else top - other_bottom if top > other_bottom else 0.0
            if gap_x * gap_x + gap_y * gap_y <= limit * (area if area > other_area else other_area):
                near.append((i, j))
    return near


def _box_area(body: Body) -> float:
    left, top, right, bottom = body.box
    return (right - left) * (bottom - top)
