"""Clips of people, for a student of two bodies with the two who interact in one another's clip."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from edge.contract.types import Float32
from edge.recognition.clip_buffer import ClipBuffer

MAX_DISTANCE = 1.0
"""Greatest distance of the nearest joints of two people who interact, in body heights."""

MIN_COMMON = 3
"""Frames in which both must be seen to be a pair."""


def paired_clips(
    buffers: Mapping[int, ClipBuffer], track_ids: Sequence[int], end_s: float, bodies: int
) -> list[Float32]:
    """One clip (C, T, V, M) per track id, all ending at ``end_s``; M is ``bodies``.

    With M = 2 the two people who interact most are each other's second body. buffers: of everybody who may be one.
    """
    pair = None
    if bodies > 1:
        moments = {track_id: buffer.resampled(end_s) for track_id, buffer in buffers.items()}
        pair = most_interacting(moments, among=track_ids)
    clips = []
    for track_id in track_ids:
        partner = [buffers[n] for n in pair if n != track_id] if pair and track_id in pair else []
        found = buffers[track_id].clip(partner[0] if partner else None, end_s)
        clip = np.zeros((*found.shape[:-1], bodies), np.float32)
        clip[..., : found.shape[-1]] = found
        clips.append(clip)
    return clips


def closeness(a: Float32, b: Float32) -> float:
    """Distance of two people in heights of the larger one: the mean over frames of that of their nearest joints.

    Infinite if they were seen together in fewer than MIN_COMMON frames.

    a, b: (T, V, 3) keypoints in pixels at the same moments; a joint with score 0 was not seen.
    """
    seen_a, seen_b = a[..., 2] > 0, b[..., 2] > 0
    common = seen_a.any(1) & seen_b.any(1)
    if common.sum() < MIN_COMMON:
        return float("inf")
    a, b, seen_a, seen_b = a[common], b[common], seen_a[common], seen_b[common]
    distance = np.linalg.norm(a[:, :, None, :2] - b[:, None, :, :2], axis=-1)  # (T, V, V)
    nearest = np.where(seen_a[:, :, None] & seen_b[:, None, :], distance, np.inf).min((1, 2))
    size = np.maximum(_heights(a, seen_a), _heights(b, seen_b))
    return float(np.mean(nearest / np.maximum(size, 1.0)))


def most_interacting(people: Mapping[int, Float32], among: Collection[int]) -> tuple[int, int] | None:
    """Track ids of the two people nearest to each other; None if no two are within MAX_DISTANCE.

    people: track id -> (T, V, 3) keypoints in pixels, all at the same moments. among: one of the two must be
        one of these.
    """
    pairs = [pair for pair in combinations(sorted(people), 2) if not set(pair).isdisjoint(among)]
    if not pairs:
        return None
    distances = {pair: closeness(people[pair[0]], people[pair[1]]) for pair in pairs}
    pair = min(distances, key=lambda pair: distances[pair])
    return pair if distances[pair] <= MAX_DISTANCE else None


def _heights(keypoints: Float32, seen: NDArray[np.bool_]) -> Float32:
    """(T,) the larger of width and height of the joints seen."""
    high = np.where(seen[..., None], keypoints[..., :2], -np.inf).max(1)
    low = np.where(seen[..., None], keypoints[..., :2], np.inf).min(1)
    extent: Float32 = (high - low).max(axis=-1)
    return extent
