"""Choose the subject of a video, and match the cheap estimator's detections to it.

Estimators return people in any order. The good estimator's detections are tracked, and the subject is the track with
the largest sum of body heights over the video: the person in view longest and nearest. A detection of the cheap
estimator is assigned to the nearest good one within ``max_distance``; of several assigned to the subject, the nearest
counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge.contract.intervals import require_in
from edge.contract.layouts import JointLayout
from edge.contract.types import Float32, Pose
from edge.tracking.similarity import MIN_JOINTS
from edge.tracking.tracker import Tracker, TrackerConfig


@dataclass(frozen=True)
class FollowConfig:
    """When detections of the two estimators are the same person."""

    min_similarity: float = 0.15
    """Least object keypoint similarity, 0..1, of a detection with its track. Larger: fewer identity switches, more
    broken tracks."""
    max_age_s: float = 1.0
    """Seconds without a detection after which a track ends."""
    max_distance: float = 0.75
    """Largest median distance between the two estimators' joints, in torso lengths, for the same person. Smaller: bad
    poses count as unseen. Larger: a neighbour may be matched."""

    def __post_init__(self) -> None:
        require_in(self, max_distance="(0, inf]")


def follow_subject(
    high: Sequence[Sequence[Pose]],
    low: Sequence[Sequence[Pose]],
    times_s: Sequence[float],
    layouts: tuple[JointLayout, JointLayout],
    config: FollowConfig,
) -> tuple[Float32, Float32]:
    """The subject's keypoints (S, V_high, 3) and (S, V_low, 3) in pixels; (0, 0, 0) where unseen.

    high, low: detections of each estimator in each of S frames. times_s: timestamps of the frames, increasing.
    Both results are all zero if the good estimator found nobody.
    """
    tracker = Tracker(layouts[0], TrackerConfig(config.min_similarity, birth_hits=1, max_age_s=config.max_age_s))
    tracked = [dict(tracker.update(poses, time_s)) for poses, time_s in zip(high, times_s, strict=True)]
    stature: dict[int, float] = {}
    for bodies in tracked:
        for track_id, pose in bodies.items():
            stature[track_id] = stature.get(track_id, 0.0) + _height(pose.keypoints)
    subject = max(stature, key=lambda track_id: (stature[track_id], -track_id), default=None)

    good, poor = (np.zeros((len(times_s), len(joints), 3), np.float32) for joints in layouts)
    for s, bodies in enumerate(tracked):
        if subject not in bodies:
            continue
        good[s] = _seen(bodies[subject].keypoints)
        others = [pose.keypoints for track_id, pose in bodies.items() if track_id != subject]
        match = match_body(good[s], others, [pose.keypoints for pose in low[s]], layouts, config.max_distance)
        if match is not None:
            poor[s] = _seen(match)
    return good, poor


def match_body(
    subject: Float32,
    others: Sequence[Float32],
    candidates: Sequence[Float32],
    layouts: tuple[JointLayout, JointLayout],
    max_distance: float,
) -> Float32 | None:
    """The nearest candidate (V_low, 3) that is nearer to the subject (V_high, 3) than to all ``others``, or None."""
    found = [(distance(subject, body, layouts), n) for n, body in enumerate(candidates)]
    for apart, n in sorted(found):
        if apart <= max_distance and all(distance(other, candidates[n], layouts) > apart for other in others):
            return candidates[n]
    return None


def distance(high: Float32, low: Float32, layouts: tuple[JointLayout, JointLayout]) -> float:
    """Median distance of the joints that both layouts name and both see, in torso lengths of ``high``.

    Infinite for fewer than MIN_JOINTS joints. It is the smaller of the distances with left and right as named and
    swapped: a person whose sides were confused is still the same person.
    """
    first, second = layouts
    named = [joint for joint in first.joints if joint in second.joints]
    a = high[list(first.index(*named))]
    size = _torso(high, first)
    apart = []
    for joints in (second.joints, [second.joints[v] for v in second.mirror]):
        b = low[[joints.index(joint) for joint in named]]
        both = (a[:, 2] > 0) & (b[:, 2] > 0)
        if both.sum() >= MIN_JOINTS:
            apart.append(float(np.median(np.linalg.norm(a[both, :2] - b[both, :2], axis=1))) / size)
    return min(apart, default=np.inf)


def _torso(body: Float32, layout: JointLayout) -> float:
    """Pixels from mid-shoulder to mid-hip, at least height / 10; height / 3 if a corner of the torso is unseen."""
    trunk = body[list(layout.index("left_shoulder", "right_shoulder", "left_hip", "right_hip"))]
    height = max(_height(body), 1.0)
    if not (trunk[:, 2] > 0).all():
        return height / 3
    return max(float(np.linalg.norm(trunk[:2, :2].mean(axis=0) - trunk[2:, :2].mean(axis=0))), height / 10)


def _height(body: Float32) -> float:
    """Pixels between the highest and the lowest seen joint."""
    y = body[body[:, 2] > 0, 1]
    return float(np.ptp(y)) if len(y) else 0.0


def _seen(body: Float32) -> NDArray[np.float32]:
    return np.where(body[:, 2:] > 0, body, np.float32(0))
