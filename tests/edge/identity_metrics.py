"""Identity F1 and identity switches, from their definitions.

Sources: Ristani et al., "Performance Measures and a Data Set for Multi-Target, Multi-Camera Tracking", 2016 (IDF1);
Bernardin and Stiefelhagen, "Evaluating Multiple Object Tracking Performance: the CLEAR MOT Metrics", 2008 (switches).
"""

from collections import Counter
from collections.abc import Sequence

import numpy as np
from scipy.optimize import linear_sum_assignment

Box = tuple[float, float, float, float]
"""Left, top, right, bottom."""

MIN_OVERLAP = 0.5


def overlap(a: Box, b: Box) -> float:
    """Intersection over union."""
    width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    shared = max(width, 0.0) * max(height, 0.0)
    return shared / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - shared)


def idf1(truth: Sequence[dict[int, Box]], found: Sequence[dict[int, Box]]) -> float:
    """Of the one-to-one assignment of tracks to people over the whole recording that explains most boxes."""
    people, tracks = sorted({n for f in truth for n in f}), sorted({n for f in found for n in f})
    together: Counter[tuple[int, int]] = Counter()
    for real, given in zip(truth, found, strict=True):
        for person, box in real.items():
            together.update((person, track) for track, other in given.items() if overlap(box, other) >= MIN_OVERLAP)
    table = np.array([[together[person, track] for track in tracks] for person in people])
    matched = int(table[linear_sum_assignment(table, maximize=True)].sum()) if table.size else 0
    return 2 * matched / (sum(map(len, truth)) + sum(map(len, found)))


def switches(truth: Sequence[dict[int, Box]], found: Sequence[dict[int, Box]]) -> int:
    """How often a person is followed by another track than the one before; a match that holds is kept."""
    owner: dict[int, int] = {}
    count = 0
    for real, given in zip(truth, found, strict=True):
        free = dict(given)
        matches = {}
        for person, box in real.items():
            if owner.get(person) in free and overlap(box, free[owner[person]]) >= MIN_OVERLAP:
                matches[person] = owner[person]
                del free[owner[person]]
        rest = [person for person in real if person not in matches]
        if rest and free:
            ids = list(free)
            table = np.array([[overlap(real[person], free[track]) for track in ids] for person in rest])
            for i, j in zip(*linear_sum_assignment(table, maximize=True), strict=True):
                if table[i, j] >= MIN_OVERLAP:
                    matches[rest[i]] = ids[j]
        count += sum(person in owner and owner[person] != track for person, track in matches.items())
        owner |= matches
    return count
