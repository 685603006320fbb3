"""Turn the people and actions of successive frames into events: entered, left, started, ended."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from edge.contract.types import Action, Event, Person


@dataclass
class _PersonState:
    """entered_s, last_s: times of the first and the last frame. label: the current action, if any; since_s: when it
    started; score: its highest score so far."""

    entered_s: float
    last_s: float
    label: str | None = None
    since_s: float = 0.0
    score: float = 0.0


class EventDetector:
    """Compares each frame with the state after the previous one."""

    def __init__(self) -> None:
        self._people: dict[int, _PersonState] = {}

    def update(self, people: Sequence[Person], tracked: set[int], time_s: float) -> tuple[Event, ...]:
        """Events of one frame, in causal order.

        people: those in view. tracked: track ids of these and of people out of view for a moment; for the others,
        everything ends.
        """
        events: list[Event] = []
        for track_id in sorted(self._people.keys() - tracked):
            events += self._end(track_id)
        for person in people:
            track_id = person.track_id
            if track_id not in self._people:
                self._people[track_id] = _PersonState(time_s, time_s)
                events.append(Event("person_entered", time_s, track_id))
            state = self._people[track_id]
            events += _action_events(track_id, state, person.action, time_s)
            state.last_s = time_s
        return tuple(events)

    def finish(self) -> tuple[Event, ...]:
        """At the end of the run: everybody leaves, at the time of their last frame."""
        return tuple(event for track_id in sorted(self._people) for event in self._end(track_id))

    def _end(self, track_id: int) -> list[Event]:
        state = self._people.pop(track_id)
        events = _action_events(track_id, state, None, state.last_s)
        return [*events, Event("person_left", state.last_s, track_id, since_s=state.entered_s)]


def _action_events(track_id: int, state: _PersonState, action: Action | None, time_s: float) -> list[Event]:
    """Events of one person's action. "unknown" is not an action: it ends one and starts none."""
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
