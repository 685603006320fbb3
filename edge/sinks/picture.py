"""Write the best frame: most labelled people, then farthest from a change of labels, then highest scores.

A label describes the clip that ends with its frame, so it lags behind the action. The picture can wait: it shows each
person with the label of the clip centred on the frame, which is decided half a clip later.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import cv2

from edge.contract.errors import OutputError
from edge.contract.files import atomic_write
from edge.contract.types import TIME_TOLERANCE_S, FrameResult, Person
from edge.drawing.overlay import Overlay
from edge.sinks.sink import Sink

SAMPLE_INTERVAL_S = 0.2
"""Only frames this far apart are candidates. About ten wait for their labels, and each may take 25 MB."""


@contextmanager
def picture_sink(path: Path, overlay: Overlay, clip_s: float) -> Iterator[Sink]:
    """Keep the best frame and write it annotated when the block ends. clip_s: length of a clip.

    Raises OutputError if the file cannot be written.
    """
    frames = BestFrame(clip_s / 2)
    with atomic_write(path) as partial:
        yield frames.add
        best = frames.best()
        if best is None:
            raise OutputError("there was no frame", where=path)
        partial.write_bytes(cv2.imencode(path.suffix, overlay.render(best))[1].tobytes())


@dataclass(frozen=True, eq=False)
class _Candidate:
    """A frame with the labels of the clip centred on it. decided_s: when those were decided. since_s: since when all
    have been unchanged."""

    result: FrameResult
    decided_s: float
    since_s: float

    def rank(self, until_s: float, max_steady_s: float) -> tuple[int, float, float, int, float]:
        """Labelled people, seconds to the nearest change of a label, sum of scores, people, sum of pose scores.

        until_s: until when all labels are known to be unchanged. max_steady_s: cap on the seconds.
        """
        scores = [person.action.score for person in self.result.people if person.action and person.action.known]
        steady_s = min(self.decided_s - self.since_s, until_s - self.decided_s, max_steady_s)
        return len(scores), steady_s, sum(scores), len(self.result.people), _pose_scores(self.result)


class BestFrame:
    """Find the best frame of a run while holding only a few. half_s: half the length of a clip."""

    def __init__(self, half_s: float) -> None:
        self._half_s, self._now_s = half_s - TIME_TOLERANCE_S, 0.0
        self._pending: deque[FrameResult] = deque()
        self._candidates: list[_Candidate] = []
        self._labels: dict[int, tuple[str | None, float]] = {}
        self._best: FrameResult | None = None
        self._best_rank: tuple[float, ...] = ()

    def add(self, result: FrameResult) -> None:
        """Add the next frame."""
        now_s = self._now_s = result.frame.time_s
        is_first = not self._pending and self._best is None
        is_due = not self._pending or now_s - self._pending[-1].frame.time_s >= SAMPLE_INTERVAL_S - TIME_TOLERANCE_S
        if is_first or (result.failure is None and is_due):
            self._pending.append(result)
        if result.failure is not None:
            return  # labels are unknown, not changed
        self._update_labels(result)
        while self._pending and self._pending[0].frame.time_s <= now_s - self._half_s:
            centred = _with_labels_of(result, self._pending.popleft())
            since_s = max((self._labels[n][1] for n in _labels(centred)), default=now_s - self._half_s)
            candidate = _Candidate(centred, now_s, since_s)
            if candidate.rank(now_s + self._half_s, self._half_s) > self._best_rank:
                self._candidates.append(candidate)
        for candidate in list(self._candidates):
            if candidate.decided_s <= now_s - self._half_s or not self._is_unchanged(candidate):
                self._settle(candidate)

    def best(self) -> FrameResult | None:
        """The best frame, its people with the labels of the clip centred on it; None if there was no frame.

        If nobody has a label, for instance in a recording shorter than half a clip: the frame with most people.
        """
        for candidate in list(self._candidates):
            self._settle(candidate)
        if self._best is not None and _labels(self._best):
            return self._best
        unlabelled = [*([self._best] if self._best is not None else []), *self._pending]
        return max(unlabelled, key=lambda result: (len(result.people), _pose_scores(result)), default=None)

    def _update_labels(self, result: FrameResult) -> None:
        """Update since when each label is unchanged. People out of view are dropped, unless a candidate shows them."""
        shown = {person.track_id for candidate in self._candidates for person in candidate.result.people}
        known = {track_id: entry for track_id, entry in self._labels.items() if track_id in shown}
        labels = _labels(result)
        for person in result.people:
            label = labels.get(person.track_id)
            before = self._labels.get(person.track_id)
            known[person.track_id] = before if before and before[0] == label else (label, self._now_s)
        self._labels = known

    def _is_unchanged(self, candidate: _Candidate) -> bool:
        return all(self._labels[track_id][0] == label for track_id, label in _labels(candidate.result).items())

    def _settle(self, candidate: _Candidate) -> None:
        """Rank a candidate, now that it is known how long its labels stayed unchanged."""
        self._candidates.remove(candidate)
        rank = candidate.rank(self._now_s, self._half_s)
        if rank > self._best_rank:
            self._best, self._best_rank = candidate.result, rank


def _labels(result: FrameResult) -> dict[int, str]:
    """Track id -> label, of people with a known action."""
    return {p.track_id: p.action.label for p in result.people if p.action is not None and p.action.known}


def _pose_scores(result: FrameResult) -> float:
    return sum(person.pose.score for person in result.people)


def _with_labels_of(later: FrameResult, result: FrameResult) -> FrameResult:
    """The result with each person's later action; none if the person has left."""
    later_people = {person.track_id: person for person in later.people}

    def relabel(person: Person) -> Person:
        after = later_people.get(person.track_id, replace(person, action=None))
        return replace(person, action=after.action, clip_fill=after.clip_fill)

    # A copy of the frame, because the overlay caches drawn images by frame.
    return replace(result, frame=replace(result.frame), people=tuple(map(relabel, result.people)))
