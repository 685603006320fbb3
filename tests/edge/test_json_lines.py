"""Frames and events as lines of JSON."""

import json
from dataclasses import replace

from people import PENN, action, person, result

from edge.contract.types import Event
from edge.sinks.json_lines import events_sink, json_lines_sink


def test_a_json_line_has_every_field_of_a_frame(tmp_path):
    path = tmp_path / "people.jsonl"
    someone = person(3, x=100.04, y=60.26, does=action(0.87654321), fill=0.56789)
    someone.pose.keypoints[0] = (7777, 8888, 0)
    someone.pose.keypoints[1, 2] = 0.12345
    with json_lines_sink(path, PENN) as sink:
        sink(result(someone, person(4), n=0))
        sink(result(n=1, fps=30.0))
    first, second = map(json.loads, path.read_text().splitlines())
    assert (first["frame"], first["time_s"], first["layout"]) == (0, 0.0, "penn-13")
    assert first["latency_ms"]["pose"] == 12.346
    one, two = first["people"]
    assert one["track_id"] == 3 and one["clip_fill"] == 0.568
    assert one["action"] == {"label": "jumping_jacks", "score": 0.8765}
    assert one["box"] == [100.0, 100.3, 200.0, 260.3]
    assert one["keypoints"][0] == [0, 0, 0] and one["keypoints"][1] == [120.0, 100.3, 0.123]
    assert len(one["keypoints"]) == 13 and two["action"] is None
    assert second == {
        "frame": 1,
        "time_s": 0.0333,
        "layout": "penn-13",
        "people": [],
        "following": None,
        "failure": None,
        "events": [],
        "latency_ms": first["latency_ms"],
    }


def test_the_partial_file_has_whole_lines_while_the_run_goes_on(tmp_path):
    with json_lines_sink(tmp_path / "people.jsonl", PENN) as sink:
        for n in range(3):
            sink(result(n=n))
            (partial,) = tmp_path.iterdir()
            assert len(partial.read_text().splitlines()) == n + 1 and partial.name == "people.partial.jsonl"


def test_events_are_one_line_each_without_empty_fields(tmp_path):
    path = tmp_path / "events.jsonl"
    with events_sink(path) as sink:
        sink(Event("person_entered", 1.23456, 3))
        sink(Event("action_ended", 2.0, 3, "wave", 0.87654321, since_s=1.5))
        sink(Event("source_lost", 4.0, text="no frame for 5 s"))
        sink(Event("person_left", 0.0, 1, since_s=0.0))
    assert [json.loads(line) for line in path.read_text().splitlines()] == [
        {"kind": "person_entered", "time_s": 1.2346, "track_id": 3},
        {"kind": "action_ended", "time_s": 2.0, "track_id": 3, "label": "wave", "score": 0.8765, "since_s": 1.5},
        {"kind": "source_lost", "time_s": 4.0, "text": "no frame for 5 s"},
        {"kind": "person_left", "time_s": 0.0, "track_id": 1, "since_s": 0.0},
    ]


def test_a_line_distinguishes_a_failure_from_an_empty_scene(tmp_path):
    path = tmp_path / "people.jsonl"
    with json_lines_sink(path, PENN) as sink:
        sink(replace(result(n=0), failure="pose: out of memory"))
        sink(result(n=1))
    broken, empty = map(json.loads, path.read_text().splitlines())
    assert broken["people"] == empty["people"] == []
    assert broken["failure"] == "pose: out of memory" and empty["failure"] is None
