"""The best moment as a picture: most people with a label, farthest from where labels change, then the surest.

A label is of a clip that ends with it, so that whoever has just stopped still has theirs. A picture can wait: it
shows each person with the label of the clip that lies around it, decided half a clip later.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import cv2

from edge.contract.errors import ConfigError, OutputError
from edge.contract.files import atomic_write
from edge.contract.types import TIME_TOLERANCE_S, FrameResult, Person
from edge.drawing.overlay import Overlay
from edge.sinks.sink import Sink

SUFFIXES = (".png", ".jpg", ".jpeg")

APART_S = 0.2
"""Frames so far apart are looked at: some ten of them wait for what comes after, and one may take 25 MB."""


@contextmanager
def picture_sink(path: Path, overlay: Overlay, clip_s: float) -> Iterator[Sink]:
    """Keeps the best moment, and writes its annotated picture at the end. clip_s: how long a clip is.

    Raises ConfigError for a name that is no picture's, OutputError where the file cannot be written.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise ConfigError(f"a picture cannot be called {path}", hint=f"end it in {', '.join(SUFFIXES)}")
    moments = BestMoment(clip_s / 2)
    with atomic_write(path) as partial:
        # Now, so that a place that cannot be written to is known before the run, not after it.
        partial.write_bytes(b"")
        yield moments.look
        best = moments.best()
        if best is None:
            raise OutputError("there was no frame", where=path)
        partial.write_bytes(cv2.imencode(path.suffix, overlay.render(best))[1].tobytes())


@dataclass(frozen=True, eq=False)
class _Labelled:
    """A moment with the labels of the clip around it. decided_s: when they were. since_s: since when all stand."""

    result: FrameResult
    decided_s: float
    since_s: float

    def merit(self, until_s: float, most_s: float) -> tuple[int, float, float, int, float]:
        """People with a label, seconds to where a label changes, their scores, people, scores of their poses.

        until_s: until when all labels stand, as far as is known. most_s: seconds beyond which more are no better.
        """
        scores = [person.action.score for person in self.result.people if person.action and person.action.known]
        steady_s = min(self.decided_s - self.since_s, until_s - self.decided_s, most_s)
        return len(scores), steady_s, sum(scores), len(self.result.people), _pose_scores(self.result)


class BestMoment:
    """Takes what was found in frame after frame, and keeps few of them. half_s: half a clip, in seconds."""

    def __init__(self, half_s: float) -> None:
        self._half_s, self._now_s = half_s - TIME_TOLERANCE_S, 0.0
        self._taken: deque[FrameResult] = deque()
        self._labelled: list[_Labelled] = []
        self._labels: dict[int, tuple[str | None, float]] = {}
        self._best: FrameResult | None = None
        self._merit: tuple[float, ...] = ()

    def look(self, result: FrameResult) -> None:
        """One more frame, later than the one before."""
        now_s = self._now_s = result.frame.time_s
        is_first = not self._taken and self._best is None
        if is_first or (result.failure is None and self._is_apart(now_s)):
            self._taken.append(result)
        if result.failure is not None:
            return  # no answer, which is no change of labels either
        self._note_labels(result)
        while self._taken and self._taken[0].frame.time_s <= now_s - self._half_s:
            given = _decided(self._taken.popleft(), result)
            since_s = max((self._labels[n][1] for n in _labels(given)), default=now_s - self._half_s)
            moment = _Labelled(given, now_s, since_s)
            if moment.merit(now_s + self._half_s, self._half_s) > self._merit:
                self._labelled.append(moment)
        for moment in list(self._labelled):
            if moment.decided_s <= now_s - self._half_s or not self._stand(moment):
                self._settle(moment)

    def _is_apart(self, now_s: float) -> bool:
        return not self._taken or now_s - self._taken[-1].frame.time_s >= APART_S - TIME_TOLERANCE_S

    def best(self) -> FrameResult | None:
        """The best moment, its people with the labels of the clip around it; None where there was none at all.

        Where nothing was decided about anybody, as in a recording that is shorter than half a clip: most people.
        """
        for moment in list(self._labelled):
            self._settle(moment)
        if self._best is not None and _labels(self._best):
            return self._best
        unlabelled = [*([self._best] if self._best is not None else []), *self._taken]
        return max(unlabelled, key=lambda given: (len(given.people), _pose_scores(given)), default=None)

    def _note_labels(self, result: FrameResult) -> None:
        """Note since when each label stands. Who is out of view is forgotten, unless a waiting moment shows them."""
        shown = {person.track_id for moment in self._labelled for person in moment.result.people}
        known = {track_id: entry for track_id, entry in self._labels.items() if track_id in shown}
        labels = _labels(result)
        for person in result.people:
            label = labels.get(person.track_id)
            before = self._labels.get(person.track_id)
            known[person.track_id] = before if before and before[0] == label else (label, self._now_s)
        self._labels = known

    def _stand(self, moment: _Labelled) -> bool:
        return all(self._labels[track_id][0] == label for track_id, label in _labels(moment.result).items())

    def _settle(self, moment: _Labelled) -> None:
        """How long the labels of a moment stand is known."""
        self._labelled.remove(moment)
        merit = moment.merit(self._now_s, self._half_s)
        if merit > self._merit:
            self._best, self._merit = moment.result, merit


def _labels(result: FrameResult) -> dict[int, str]:
    """Track id -> label, about whom something is said."""
    return {p.track_id: p.action.label for p in result.people if p.action is not None and p.action.known}


def _pose_scores(result: FrameResult) -> float:
    return sum(person.pose.score for person in result.people)


def _decided(moment: FrameResult, later: FrameResult) -> FrameResult:
    """The moment's people, each with what was decided later; nothing where they have left since."""
    found = {person.track_id: person for person in later.people}

    def as_decided(person: Person) -> Person:
        after = found.get(person.track_id, replace(person, action=None))
        return replace(person, action=after.action, clip_fill=after.clip_fill)

    # A frame of its own, because an overlay knows by the frame what it has drawn already.
    return replace(moment, frame=replace(moment.frame), people=tuple(map(as_decided, moment.people)))
