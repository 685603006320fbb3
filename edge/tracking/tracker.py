"""Follow people from frame to frame: poses are assigned to tracks by keypoint similarity (Hungarian method)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from edge.contract.intervals import require_in
from edge.contract.layouts import JointLayout
from edge.contract.types import TIME_TOLERANCE_S, Float32, Pose
from edge.tracking.similarity import MIN_JOINTS, Body, displacement, sigmas, similar_pairs

MAX_FRAME_GAP_S = 0.5
"""A longer gap between two frames is an interruption of the video; the excess does not age tracks."""

VELOCITY_MEMORY_S = 0.2
"""Time constant of the moving average of a velocity; keypoints jitter."""


@dataclass(frozen=True)
class TrackerConfig:
    """Gating, and when tracks are confirmed and end."""

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
        require_in(self, min_similarity="(0, 1)", birth_hits="[1, inf)", max_age_s="[0, inf]", max_blind_s="[0, inf]")


@dataclass
class _Track:
    """body: as last seen, at time_s. velocity: of the whole body, pixels per second right and down.

    hits: frames in which it was seen. track_id: None until it is confirmed. earlier: keypoints and times from before
    that. blind_s: part of the time since time_s in which there were no frames.
    """

    body: Body
    time_s: float
    velocity: tuple[float, float] = (0.0, 0.0)
    hits: int = 1
    track_id: int | None = None
    earlier: list[tuple[Float32, float]] = field(default_factory=list)
    blind_s: float = 0.0

    def unseen_s(self, time_s: float) -> float:
        """Seconds in which there were frames, but without this body."""
        return time_s - self.time_s - self.blind_s

    def predicted(self, time_s: float) -> Body:
        """The body where its velocity has taken it by then."""
        (vx, vy), unseen_s = self.velocity, self.unseen_s(time_s)
        return self.body.moved(vx * unseen_s, vy * unseen_s)

    def update(self, body: Body, time_s: float) -> None:
        """The body was seen again."""
        elapsed_s = time_s - self.time_s
        (dx, dy), (vx, vy) = displacement(self.body, body), self.velocity
        weight = 1.0 if self.hits == 1 else 1 - math.exp(-elapsed_s / VELOCITY_MEMORY_S)
        self.velocity = vx + weight * (dx / elapsed_s - vx), vy + weight * (dy / elapsed_s - vy)
        self.body, self.time_s, self.hits, self.blind_s = body, time_s, self.hits + 1, 0.0


class Tracker:
    """Gives each person in a sequence of frames a track id. layout: of the poses."""

    def __init__(self, layout: JointLayout, config: TrackerConfig | None = None) -> None:
        # Imported here so that neither `--help` nor the first frame waits for it.
        from scipy.optimize import linear_sum_assignment

        self._assign = linear_sum_assignment
        self._config = config or TrackerConfig()
        self._sigmas = sigmas(layout)
        self._tracks: list[_Track] = []
        self._next_id = 1
        self._last_s: float | None = None

    @property
    def track_ids(self) -> set[int]:
        """Ids of confirmed tracks, in view or not."""
        return {track.track_id for track in self._tracks if track.track_id is not None}

    def earlier(self, track_id: int) -> list[tuple[Float32, float]]:
        """Keypoints (V, 3) and times of a track from before it was confirmed; returned once, then empty.

        Without them a slow camera, which takes longer to confirm a track, would lose more of the person's history.
        """
        for track in self._tracks:
            if track.track_id == track_id:
                earlier, track.earlier = track.earlier, []
                return earlier
        return []

    def update(self, poses: Sequence[Pose], time_s: float) -> list[tuple[int, Pose]]:
        """Poses of confirmed tracks with their track ids (1, 2, ...; never reused).

        time_s: of the frame; must rise from call to call. Tracks end by time, not by number of frames.
        """
        seen = [(pose, body) for pose in poses if (body := Body.of(pose.keypoints)).seen >= MIN_JOINTS]
        self._end_tracks(time_s)
        found: list[tuple[int, Pose]] = []
        matched = self._match([body for _, body in seen], time_s)
        for n, (pose, body) in enumerate(seen):
            track = matched.get(n)
            if track is None:
                track = _Track(body, time_s)
                self._tracks.append(track)
            else:
                track.update(body, time_s)
            if track.track_id is None and track.hits >= self._config.birth_hits:
                track.track_id, self._next_id = self._next_id, self._next_id + 1
            if track.track_id is not None:
                found.append((track.track_id, pose))
            else:
                track.earlier.append((pose.keypoints, time_s))
        # A track that is not confirmed yet ends with the first frame in which it is missed.
        self._tracks = [track for track in self._tracks if track.track_id is not None or track.time_s == time_s]
        return found

    def _end_tracks(self, time_s: float) -> None:
        """End tracks unseen for max_age_s. They do not age over an interruption of the video, up to max_blind_s."""
        gap_s, self._last_s = 0.0 if self._last_s is None else time_s - self._last_s, time_s
        if MAX_FRAME_GAP_S < gap_s <= self._config.max_blind_s:
            for track in self._tracks:
                track.blind_s += gap_s - MAX_FRAME_GAP_S
        # Whoever was in the last frame may be in this one, however slow the camera is.
        max_unseen_s = max(self._config.max_age_s, min(gap_s, MAX_FRAME_GAP_S) + TIME_TOLERANCE_S)
        self._tracks = [track for track in self._tracks if track.unseen_s(time_s) <= max_unseen_s]

    def _match(self, bodies: Sequence[Body], time_s: float) -> dict[int, _Track]:
        """Index of a body -> its track: the assignment with the greatest sum of similarities above the threshold."""
        predicted = [track.predicted(time_s) for track in self._tracks]
        similarities = similar_pairs(predicted, bodies, self._sigmas, self._config.min_similarity)
        tracks, found = {t for t, _ in similarities}, {n for _, n in similarities}
        if len(similarities) == len(tracks) == len(found):  # nothing to decide, in most frames
            return {n: self._tracks[t] for t, n in similarities}
        table = np.zeros((len(predicted), len(bodies)))
        for pair, similarity in similarities.items():
            table[pair] = similarity
        rows, columns = self._assign(table, maximize=True)
        pairs = zip(rows.tolist(), columns.tolist(), strict=True)
        return {n: self._tracks[t] for t, n in pairs if (t, n) in similarities}
