"""Select at most two bodies of a recording, and append unseen ones."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edge.contract.types import Float32

MAX_BODIES = 2


def motion_spread(joints: Float32, seen: NDArray[np.bool_]) -> NDArray[np.float64]:
    """(M, S, V, 3), seen (M, S, V) -> (M,): sum of the standard deviations of x, y and z over all joints and frames.

    It is largest for the body that moves most, and small for furniture that the sensor mistakes for a body. Source: the
    NTU RGB+D authors' advice on choosing the main actor, and the preprocessing of 2s-AGCN and Shift-GCN.
    """
    return np.array([joints[m][seen[m]].std(axis=0).sum() if seen[m].any() else 0.0 for m in range(len(joints))])


def top_bodies(seen: NDArray[np.bool_], strength: NDArray[np.floating]) -> list[int]:
    """Indices of the at most two bodies of largest ``strength`` (M,), largest first; never-seen bodies are left out."""
    order = np.argsort(-strength, kind="stable")
    return [int(m) for m in order if seen[m].any()][:MAX_BODIES]


def pad_bodies(joints: Float32, seen: NDArray[np.bool_], bodies: int) -> tuple[Float32, NDArray[np.bool_]]:
    """Append unseen bodies up to ``bodies``."""
    if len(joints) >= bodies:
        return joints, seen
    after = ((0, bodies - len(joints)), (0, 0), (0, 0))
    return np.pad(joints, (*after, (0, 0))), np.pad(seen, after)
