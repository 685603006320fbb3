"""Two estimators on the same pictures: do they find the same people, in the same places?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import linear_sum_assignment

from edge.contract.types import Float32, Pose

NEAR = 0.1
"""Two bodies are one if their joints differ by less than this part of the body's size, in the median."""


@dataclass(frozen=True)
class PeopleAgreement:
    """reference and other: people each found over all pictures. both: those found by the two.

    distance: mean distance of the joints both saw of people both found, as part of the body's size;
        0 where there are none.
    """

    reference: int
    other: int
    both: int
    distance: float

    @property
    def share(self) -> float:
        """People found by both, of all that either found, 0..1; 1 where there was nobody to find."""
        either = self.reference + self.other - self.both
        return self.both / either if either else 1.0


def people_agreement(reference: Sequence[Sequence[Pose]], other: Sequence[Sequence[Pose]]) -> PeopleAgreement:
    """Match the people of each picture one to one so that the joints' distances are least in sum."""
    distances: list[float] = []
    both = 0
    for here, there in zip(reference, other, strict=True):
        if not here or not there:
            continue
        per_joint = [[joint_distances(a.keypoints, b.keypoints) for b in there] for a in here]
        cost = np.array([[min(float(np.median(d)), 1.0) if d.size else 1.0 for d in row] for row in per_joint])
        for i, j in zip(*linear_sum_assignment(cost), strict=True):
            if cost[i, j] < NEAR:
                both += 1
                distances += per_joint[i][j].tolist()
    found = [sum(map(len, side)) for side in (reference, other)]
    return PeopleAgreement(found[0], found[1], both, float(np.mean(distances)) if distances else 0.0)


def joint_distances(a: Float32, b: Float32) -> Float32:
    """Distances of the joints seen in both (V, 3), as part of the longer side of what is seen of ``a``."""
    seen = (a[:, 2] > 0) & (b[:, 2] > 0)
    if not seen.any():
        return np.zeros(0, np.float32)
    known = a[a[:, 2] > 0, :2]
    size = max(float(np.ptp(known, axis=0).max()), 1.0)
    distances: Float32 = np.linalg.norm(a[seen, :2] - b[seen, :2], axis=1) / size
    return distances
