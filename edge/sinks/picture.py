"""Write the best frame: most labelled people, then farthest from a change of labels, then highest scores.

A label describes the clip that ends with its frame, so it lags behind the action. The picture can wait: it shows each
person with the label of the clip centred on the frame, which is decided half a clip later.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import cv2

from edge.contract.errors import OutputError
from edge.contract.files import atomic_write
from edge.contract.types import TIME_TOLERANCE_S, FrameResult, Person
from edge.drawing.overlay import Overlay
from edge.sinks.sink import Sink

SAMPLE_INTERVAL_S = 0.2
"""Only frames this far apart are candidates. About ten wait to be ranked, and each may take 25 MB."""

Moment = tuple[float, Mapping[int, Person]]
"""Time of a frame, and the people in it by track id."""


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


class BestFrame:
    """Find the best frame of a run while holding only a few. half_s: half the length of a clip.

    A frame is ranked a whole clip later: half a clip until its labels are decided, and another until it is known how
    long they stay.
    """

    def __init__(self, half_s: float) -> None:
        self._half_s = half_s - TIME_TOLERANCE_S
        self._waiting: deque[FrameResult] = deque()
        self._history: deque[Moment] = deque()  # since the first frame that waits
        self._best: FrameResult | None = None
        self._best_rank: tuple[float, ...] = ()

    def add(self, result: FrameResult) -> None:
        now_s, waiting = result.frame.time_s, self._waiting
        is_due = not waiting or now_s - waiting[-1].frame.time_s >= SAMPLE_INTERVAL_S - TIME_TOLERANCE_S
        if not waiting or (result.failure is None and is_due):
            waiting.append(result)
        if result.failure is not None:
            return  # labels are unknown, not changed
        self._history.append((now_s, {person.track_id: person for person in result.people}))
        self._rank(self._half_s)
        while waiting and self._history[0][0] < waiting[0].frame.time_s:
            self._history.popleft()

    def best(self) -> FrameResult | None:
        """The best frame, its people with the labels of the clip centred on it; None if there was no frame.

        If nobody has a label, for instance in a recording shorter than half a clip: the frame with most people.
        """
        self._rank(0.0)
        if self._best is not None and _labels(self._best.people):
            return self._best
        unlabelled = [*([self._best] if self._best is not None else []), *self._waiting]
        return max(unlabelled, key=lambda result: (len(result.people), _pose_scores(result)), default=None)

    def _rank(self, min_age_s: float) -> None:
        """Rank the frames whose labels were decided at least ``min_age_s`` ago.

        By labelled people, seconds to the nearest change of a label, sum of scores, people, sum of pose scores.
        """
        while self._waiting and self._history:
            due_s, now_s = self._waiting[0].frame.time_s + self._half_s, self._history[-1][0]
            before = [moment for moment in self._history if moment[0] < due_s]
            after = list(self._history)[len(before) :]
            if not after or after[0][0] > now_s - min_age_s:
                return
            decided_s, people = after[0]
            result = _with_later_labels(self._waiting.popleft(), people)
            labels, since_s = _labels(result.people), decided_s
            for time_s, earlier in reversed(before):
                if _differs(earlier, labels):
                    break
                since_s = time_s
            until_s = next((time_s for time_s, later in after if _differs(later, labels)), now_s)
            steady_s = min(decided_s - since_s, until_s - decided_s, self._half_s)
            scores = [person.action.score for person in result.people if person.action and person.action.known]
            rank = len(scores), steady_s, sum(scores), len(result.people), _pose_scores(result)
            if rank > self._best_rank:
                self._best, self._best_rank = result, rank


def _labels(people: Iterable[Person]) -> dict[int, str]:
    """Track id -> label, of people with a known action."""
    return {p.track_id: p.action.label for p in people if p.action is not None and p.action.known}


def _differs(people: Mapping[int, Person], labels: Mapping[int, str]) -> bool:
    """Whether one of these labels is another one, or none, in a frame; it stays while the person is out of view."""
    then = _labels(people.values())
    return any(track_id in people and then.get(track_id) != label for track_id, label in labels.items())


def _pose_scores(result: FrameResult) -> float:
    return sum(person.pose.score for person in result.people)


def _with_later_labels(result: FrameResult, later: Mapping[int, Person]) -> FrameResult:
    """The result with each person's later action; none if the person has left."""

    def relabel(person: Person) -> Person:
        after = later.get(person.track_id, replace(person, action=None))
        return replace(person, action=after.action, clip_fill=after.clip_fill)

    # A copy of the frame, because the overlay caches drawn images by frame.
    return replace(result, frame=replace(result.frame), people=tuple(map(relabel, result.people)))
