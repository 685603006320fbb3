"""Write the best frame: that with the most labelled people, and of these the one whose labels are surest.

A label describes the clip that ends with its frame, so it lags behind the action. The picture can wait: it shows each
person with the label of the clip centred on the frame, which is decided half a clip later.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
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
"""Only frames this far apart are candidates. About five wait for their labels, and each may take 25 MB."""


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
    """Find the best frame of a run while holding only those of half a clip. half_s: half the length of a clip."""

    def __init__(self, half_s: float) -> None:
        self._half_s = half_s - TIME_TOLERANCE_S
        self._waiting: deque[FrameResult] = deque()  # for the decision half a clip later
        self._best: FrameResult | None = None
        self._best_rank: tuple[float, ...] = ()

    def add(self, result: FrameResult) -> None:
        now_s, waiting = result.frame.time_s, self._waiting
        is_due = not waiting or now_s - waiting[-1].frame.time_s >= SAMPLE_INTERVAL_S - TIME_TOLERANCE_S
        if not waiting or (result.failure is None and is_due):
            waiting.append(result)
        if result.failure is not None:
            return  # labels are unknown
        later = {person.track_id: person for person in result.people}
        while waiting and waiting[0].frame.time_s + self._half_s <= now_s:
            self._rank(_with_later_labels(waiting.popleft(), later))

    def best(self) -> FrameResult | None:
        """The best frame, its people with the labels of the clip centred on it; None if there was no frame.

        If nobody has a label, for instance in a recording shorter than half a clip: the frame with most people.
        """
        if self._best is not None and _scores(self._best):
            return self._best
        unlabelled = [*([self._best] if self._best is not None else []), *self._waiting]
        return max(unlabelled, key=lambda result: (len(result.people), _pose_scores(result)), default=None)

    def _rank(self, result: FrameResult) -> None:
        """Keep the result if it has more labels, else a higher score of its least certain one, else more people."""
        scores = _scores(result)
        rank = len(scores), min(scores, default=0.0), len(result.people), _pose_scores(result)
        if rank > self._best_rank:
            self._best, self._best_rank = result, rank


def _scores(result: FrameResult) -> list[float]:
    """The scores of the known actions."""
    return [person.action.score for person in result.people if person.action is not None and person.action.known]


def _pose_scores(result: FrameResult) -> float:
    return sum(person.pose.score for person in result.people)


def _with_later_labels(result: FrameResult, later: Mapping[int, Person]) -> FrameResult:
    """The result with each person's later action; none if the person has left."""

    def relabel(person: Person) -> Person:
        after = later.get(person.track_id, replace(person, action=None))
        return replace(person, action=after.action, clip_fill=after.clip_fill)

    # A copy of the frame, because the overlay caches drawn images by frame.
    return replace(result, frame=replace(result.frame), people=tuple(map(relabel, result.people)))
