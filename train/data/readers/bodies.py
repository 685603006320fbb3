"""One clip from recordings of any number of bodies: the two that matter, and always two where a set has any."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from edge.contract.types import Float32
from train.data.clip import SkeletonClip

MAX_BODIES = 2


def motion_spread(joints: Float32, seen: NDArray[np.bool_]) -> NDArray[np.float64]:
    """(M, S, V, 3), seen (M, S, V) -> (M,): the standard deviations of x, y and z over all joints and frames, summed.

    Who moves most spreads most; tables and chairs that a sensor takes for bodies stand still. Source: the NTU RGB+D
    authors' advice on choosing the main actor, and the preprocessing of 2s-AGCN and Shift-GCN.
    """
    return np.array([joints[m][seen[m]].std(axis=0).sum() if seen[m].any() else 0.0 for m in range(len(joints))])


def top_bodies(joints: Float32, seen: NDArray[np.bool_], strength: NDArray[np.float64]) -> tuple[int, ...]:
    """The (at most two) bodies of greatest ``strength`` (M,), the strongest first; bodies never seen are none."""
    order = np.argsort(-strength, kind="stable")
    return tuple(int(m) for m in order if seen[m].any())[:MAX_BODIES]


def pad_bodies(joints: Float32, seen: NDArray[np.bool_], bodies: int) -> tuple[Float32, NDArray[np.bool_]]:
    """With unseen bodies added until there are ``bodies``."""
    if (short := bodies - len(joints)) <= 0:
        return joints, seen
    return (
        np.concatenate([joints, np.zeros((short, *joints.shape[1:]), np.float32)]),
        np.concatenate([seen, np.zeros((short, *seen.shape[1:]), bool)]),
    )


def pad_to_equal_bodies(clips: Iterable[SkeletonClip]) -> tuple[SkeletonClip, ...]:
    """All clips with as many bodies as the one that has most, since a batch holds clips of one shape."""
    clips = tuple(clips)
    most = max((len(clip.joints) for clip in clips), default=0)

    def grown(clip: SkeletonClip) -> SkeletonClip:
        joints, seen = pad_bodies(clip.joints, clip.seen, most)
        return clip if joints is clip.joints else replace(clip, joints=joints, seen=seen)

    return tuple(grown(clip) for clip in clips)
