"""Who is who from frame to frame: poses joined to tracks by keypoint similarity and the Hungarian method."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from edge.contract.errors import ConfigError
from edge.contract.layouts import JointLayout
from edge.contract.types import Float32, Pose
from edge.tracking.similarity import MIN_JOINTS, displacement, oks, sigmas

LOOK_S = 0.5
"""Frames further apart than this leave a time in between in which nobody looked."""

VELOCITY_MEMORY_S = 0.2
"""Velocities are averaged over about this long; keypoints jitter."""


@dataclass(frozen=True)
class TrackerConfig:
    """When a pose belongs to a track, and how tracks begin and end."""

    min_similarity: float = 0.15
    """Object keypoint similarity, 0..1, that a pose needs with the track's predicted pose. Larger: fewer identity
    switches, more broken tracks."""
    birth_hits: int = 3
    """Consecutive frames in which a body must be seen before it counts. Larger: fewer false people, later starts."""
    max_age_s: float = 1.0
    """Seconds unseen after which a track ends. Larger: bridges longer occlusions, at the risk of an identity switch."""
    max_blind_s: float = 10.0
    """Seconds without any frame, as when a camera is lost, that tracks survive. Larger: people who stay keep their
    number, at the risk that somebody else has taken their place."""

    def __post_init__(self) -> None:
        if not (0 < self.min_similarity < 1 and self.birth_hits >= 1 and self.max_age_s >= 0 and self.max_blind_s >= 0):
            raise ConfigError(
                "tracker: min_similarity is in 0..1, birth_hits starts at 1, max_age_s and max_blind_s at 0"
            )


@dataclass
class _Track:
    """keypoints: (V, 3) as last seen, at time_s. velocity: (2,) pixels per second of the whole body.

    earlier: keypoints and times from before the body had a number. blind_s: of the time since it was seen, in which
    there was no frame.
    """

    keypoints: Float32
    time_s: float
    velocity: NDArray[np.float64] = field(default_factory=lambda: np.zeros(2))
    hits: int = 1
    track_id: int | None = None
    earlier: list[tuple[Float32, float]] = field(default_factory=list)
    blind_s: float = 0.0

    def unseen_s(self, time_s: float) -> float:
        """For how long the body was looked for in vain."""
        return time_s - self.time_s - self.blind_s

    def predicted(self, time_s: float) -> Float32:
        keypoints = self.keypoints.copy()
        keypoints[:, :2] += self.velocity * self.unseen_s(time_s)
        return keypoints

    def see(self, keypoints: Float32, time_s: float) -> None:
        elapsed_s = time_s - self.time_s
        moved = displacement(self.keypoints, keypoints) / elapsed_s
        weight = 1.0 if self.hits == 1 else 1 - math.exp(-elapsed_s / VELOCITY_MEMORY_S)
        self.velocity = (1 - weight) * self.velocity + weight * moved
        self.keypoints, self.time_s, self.hits, self.blind_s = keypoints, time_s, self.hits + 1, 0.0


class Tracker:
    """Gives poses of one layout identities that last over frames."""

    def __init__(self, layout: JointLayout, config: TrackerConfig | None = None) -> None:
        # Here, so that neither `--help` nor the first frame waits for it.
        from scipy.optimize import linear_sum_assignment

        self._assign = linear_sum_assignment
        self._config = config or TrackerConfig()
        self._sigmas = sigmas(layout)
        self._tracks: list[_Track] = []
        self._next_id = 1
        self._last_s: float | None = None

    @property
    def track_ids(self) -> set[int]:
        """The people tracked now, in view or not."""
        return {track.track_id for track in self._tracks if track.track_id is not None}

    def earlier(self, track_id: int) -> list[tuple[Float32, float]]:
        """Keypoints (V, 3) and times from before that person counted, once: they were there all the same.

        Without them a slow camera, which takes longer for the same number of frames, would know less.
        """
        for track in self._tracks:
            if track.track_id == track_id:
                given, track.earlier = track.earlier, []
                return given
        return []

    def update(self, poses: Sequence[Pose], time_s: float) -> list[tuple[int, Pose]]:
        """The poses that belong to somebody, with the track's id (1, 2, ...; never given twice).

        time_s: when they were seen; must rise from call to call. Tracks end by time, not by frames.
        """
        seen = [] if not poses else (np.array([pose.keypoints[:, 2] for pose in poses]) > 0).sum(axis=1).tolist()
        poses = [pose for pose, joints in zip(poses, seen, strict=True) if joints >= MIN_JOINTS]
        self._note_blindness(time_s)
        self._tracks = [track for track in self._tracks if track.unseen_s(time_s) <= self._config.max_age_s]
        found: list[tuple[int, Pose]] = []
        matched = self._match(poses, time_s)
        for n, pose in enumerate(poses):
            track = matched.get(n)
            if track is None:
                track = _Track(pose.keypoints, time_s)
                self._tracks.append(track)
            else:
                track.see(pose.keypoints, time_s)
            if track.track_id is None and track.hits >= self._config.birth_hits:
                track.track_id, self._next_id = self._next_id, self._next_id + 1
            if track.track_id is not None:
                found.append((track.track_id, pose))
            else:
                track.earlier.append((pose.keypoints, time_s))
        # What has not been seen often enough must be seen without a break.
        self._tracks = [track for track in self._tracks if track.track_id is not None or track.time_s == time_s]
        return found

    def _note_blindness(self, time_s: float) -> None:
        """A time without frames, within what is borne, makes nobody older."""
        gap_s, self._last_s = 0.0 if self._last_s is None else time_s - self._last_s, time_s
        if LOOK_S < gap_s <= self._config.max_blind_s:
            for track in self._tracks:
                track.blind_s += gap_s - LOOK_S

    def _match(self, poses: Sequence[Pose], time_s: float) -> dict[int, _Track]:
        """Index of a pose -> its track: the assignment with the greatest sum of similarities."""
        if not poses or not self._tracks:
            return {}
        expected = np.array([track.predicted(time_s) for track in self._tracks])
        similarity = oks(expected, np.array([pose.keypoints for pose in poses]), self._sigmas)
        # Too unlike costs as much as no match, so that it cannot push aside a good one.
        similarity[similarity < self._config.min_similarity] = 0
        rows, columns = self._assign(similarity, maximize=True)
        return {int(n): self._tracks[t] for t, n in zip(rows, columns, strict=True) if similarity[t, n] > 0}
