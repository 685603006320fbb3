"""Compare the people that two pose estimators find in the same images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.optimize import linear_sum_assignment

from edge.contract.errors import DataError
from edge.contract.types import Float32, Pose

NEAR = 0.1
"""Two poses match if the median distance of their joints is below this part of the body's size."""


@dataclass(frozen=True)
class PeopleAgreement:
    """reference, other: number of people each found over all images. both: number found by both.

    distance: mean distance of joints seen by both in matched people, as part of the body's size; 0 without matches.
    """

    reference: int
    other: int
    both: int
    distance: float

    @property
    def share(self) -> float:
        """People found by both, as a share of those found by either, 0..1."""
        return self.both / (self.reference + self.other - self.both)


def require_people(found: Sequence[Sequence[Pose]], frames: Path) -> None:
    """Raise DataError if the reference found nobody in any image, because every network would agree with it."""
    if not any(found):
        raise DataError("the FP32 network finds nobody in it", where=frames, hint="give frames with people")


def people_agreement(reference: Sequence[Sequence[Pose]], other: Sequence[Sequence[Pose]]) -> PeopleAgreement:
    """Match the people of each image one to one, with the smallest total joint distance. Somebody must be found."""
    distances: list[float] = []
    both = 0
    for expected, found in zip(reference, other, strict=True):
        per_joint = [[joint_distances(a.keypoints, b.keypoints) for b in found] for a in expected]
        costs = [[min(float(np.median(d)), 1.0) if d.size else 1.0 for d in row] for row in per_joint]
        cost = np.reshape(costs, (len(expected), len(found)))
        for i, j in zip(*linear_sum_assignment(cost), strict=True):
            if cost[i, j] < NEAR:
                both += 1
                distances += per_joint[i][j].tolist()
    totals = [sum(map(len, side)) for side in (reference, other)]
    return PeopleAgreement(totals[0], totals[1], both, float(np.mean(distances)) if distances else 0.0)


def joint_distances(a: Float32, b: Float32) -> Float32:
    """Return the distances of joints seen in both (V, 3), relative to the longer side of ``a``'s bounding box."""
    seen = (a[:, 2] > 0) & (b[:, 2] > 0)
    known = a[a[:, 2] > 0, :2]
    size = max(float(np.ptp(known, axis=0).max()), 1.0)
    distances: Float32 = np.linalg.norm(a[seen, :2] - b[seen, :2], axis=1) / size
    return distances
