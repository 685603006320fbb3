"""What begins and what ends: events, where frames would be a flood."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from edge.contract.types import Action, Event, Person


@dataclass
class _Tracked:
    """entered_s: since when a person is known. last_s: when seen last. label, since_s, score: the action that
    has begun, when, and its best score so far."""

    entered_s: float
    last_s: float
    label: str | None = None
    since_s: float = 0.0
    score: float = 0.0


class EventDetector:
    """Compares each frame with the one before it."""

    def __init__(self) -> None:
        self._people: dict[int, _Tracked] = {}

    def update(self, people: Sequence[Person], tracked: set[int], time_s: float) -> tuple[Event, ...]:
        """Events of one frame, in the order in which they follow from each other.

        people: in view. tracked: track ids of these and of who is out of view for a moment; nothing ends for them.
        """
        events: list[Event] = []
        for track_id in sorted(self._people.keys() - tracked):
            events += self._left(track_id)
        for person in people:
            track_id = person.track_id
            if track_id not in self._people:
                self._people[track_id] = _Tracked(time_s, time_s)
                events.append(Event("person_entered", time_s, track_id))
            state = self._people[track_id]
            events += _changed(track_id, state, person.action, time_s)
            state.last_s = time_s
        return tuple(events)

    def finish(self) -> tuple[Event, ...]:
        """The run ends: so does everything that had begun, when it was last seen."""
        return tuple(event for track_id in sorted(self._people) for event in self._left(track_id))

    def _left(self, track_id: int) -> list[Event]:
        state = self._people.pop(track_id)
        events = _changed(track_id, state, None, state.last_s)
        return [*events, Event("person_left", state.last_s, track_id, since_s=state.entered_s)]


def _changed(track_id: int, state: _Tracked, action: Action | None, time_s: float) -> list[Event]:
    """Events of one person's label; "unknown" is nothing that begins."""
    label = action.label if action is not None and action.known else None
    score = 0.0 if action is None else action.score
    if label == state.label:
        state.score = max(state.score, score)
        return []
    events = []
    if state.label is not None:
        events.append(Event("action_ended", time_s, track_id, state.label, state.score, state.since_s))
    if label is not None:
        events.append(Event("action_started", time_s, track_id, label, score))
    state.label, state.since_s, state.score = label, time_s, score
    return events
