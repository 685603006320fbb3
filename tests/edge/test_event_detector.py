"""Events of scripted visits."""

import numpy as np
import pytest
from people import action, person

from edge.contract.types import UNKNOWN, Action
from edge.loop.event_detector import EventDetector


def events_of(script):
    """script: per second, {track id: label or None} of people in view, and the tracked ids."""
    detector, events = EventDetector(), []
    for n, (view, tracked) in enumerate(script):
        people = [
            person(track_id, does=None if label is None else action(0.9 - n / 100, label))
            for track_id, label in view.items()
        ]
        events += detector.update(people, tracked, float(n))
    return events + list(detector.finish())


def brief(events):
    return [(event.kind, event.time_s, event.track_id, event.label) for event in events]


def test_a_visit_gives_events_from_entering_to_leaving():
    visit = [({1: None}, {1}), ({1: "wave"}, {1}), ({1: "wave"}, {1}), ({1: "squat"}, {1})]
    events = events_of([({}, set()), *visit, ({}, {1}), ({}, set())])
    assert brief(events) == [
        ("person_entered", 1, 1, None),
        ("action_started", 2, 1, "wave"),
        ("action_ended", 4, 1, "wave"),
        ("action_started", 4, 1, "squat"),
        ("action_ended", 4, 1, "squat"),  # when last seen
        ("person_left", 4, 1, None),
    ]
    assert [event.since_s for event in events] == [None, None, 2, None, 4, 1]
    assert [event.score for event in events] == [None, *map(pytest.approx, (0.88, 0.88, 0.86, 0.86)), None]


def test_an_action_ends_with_its_highest_score():
    detector = EventDetector()
    for time_s, score in enumerate((0.6, 0.9, 0.7)):
        detector.update([person(1, does=action(score))], {1}, float(time_s))
    assert detector.finish()[0].score == pytest.approx(0.9)


def test_a_short_absence_ends_nothing():
    events = events_of([({1: "wave"}, {1}), ({}, {1}), ({}, {1}), ({1: "wave"}, {1})])
    assert brief(events)[:2] == [("person_entered", 0, 1, None), ("action_started", 0, 1, "wave")]
    assert brief(events)[2:] == [("action_ended", 3, 1, "wave"), ("person_left", 3, 1, None)]


def test_unknown_starts_no_action_and_ends_the_current_one():
    detector = EventDetector()
    unknown = Action(UNKNOWN, 0.2, np.array([0.2, 0.2], np.float32))
    assert [e.kind for e in detector.update([person(1, does=unknown)], {1}, 0.0)] == ["person_entered"]
    assert [e.kind for e in detector.update([person(1, does=action(0.9))], {1}, 1.0)] == ["action_started"]
    assert [e.kind for e in detector.update([person(1, does=unknown)], {1}, 2.0)] == ["action_ended"]


def test_leaving_is_reported_at_once_and_only_once():
    detector = EventDetector()
    detector.update([person(2), person(8), person(1)], {1, 2, 8}, 0.0)
    assert brief(detector.update([person(2)], {2}, 1.0)) == [("person_left", 0, 1, None), ("person_left", 0, 8, None)]
    assert brief(detector.update([person(2)], {2}, 2.0)) == []
    assert brief(detector.finish()) == [("person_left", 2, 2, None)]


def test_people_have_separate_events():
    events = events_of([({1: "wave", 2: "squat"}, {1, 2}), ({2: "squat"}, {2})])
    assert [(e.kind, e.label) for e in events if e.track_id == 1 and e.time_s == 0][-2:] == [
        ("action_ended", "wave"),
        ("person_left", None),
    ]
    assert [e.time_s for e in events if e.track_id == 2 and e.kind == "action_ended"] == [1]
