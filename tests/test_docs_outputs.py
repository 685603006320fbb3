"""docs/outputs.md lists exactly the fields that are written."""

import json
import re
from dataclasses import fields, replace
from types import SimpleNamespace
from typing import get_args

import numpy as np
import pytest
from documented import ROOT, code

from edge.capture.pose_recording import RecordingHeader, frame_line
from edge.cli import exit_codes
from edge.contract.bundle import read_bundle
from edge.contract.layouts import layout
from edge.contract.types import Action, Event, EventKind, Following, Frame, FrameResult, Person, Pose
from edge.drawing.overlay import Overlay
from edge.latency import STAGES, SUMS, LatencyHistory
from edge.loop.config import RunConfig
from edge.loop.outcome import RunOutcome
from edge.run import _figures
from edge.sinks.json_lines import event_record, record
from edge.sinks.page import Page

PAGE = (ROOT / "docs/outputs.md").read_text(encoding="utf-8")
PENN = layout("penn-13")


def named(head):
    """The names in the first column of the table with this header, in order."""
    rows = re.search(rf"^\| {re.escape(head)} \|.*\n\|[-|]+\|\n((?:\|.*\n)+)", PAGE, re.MULTILINE)[1]
    return [name for row in rows.splitlines() for name in re.findall(r"`(.+?)`", row.split(" | ")[0])]


@pytest.fixture
def result():
    keypoints = np.ones((13, 3), np.float32)
    action = Action("wave", 0.8, np.ones(2, np.float32) / 2)
    event = Event("person_entered", 0.0, 1)
    return FrameResult(
        Frame(0, 0.0, np.zeros((120, 160, 3), np.uint8)),
        (Person(1, Pose(keypoints, 0.9), 1.0, action),),
        dict.fromkeys((*STAGES[:4], *SUMS), 1.0),
        (Pose(keypoints, 0.9),),
        events=(event,),
        following=Following("first", 1),
        unix_s=1.7e9,
    )


def test_the_page_lists_the_fields_of_a_frame(result):
    written = record(result, PENN)
    assert named("field of a line") == list(written)
    assert named("field of a person") == list(written["people"][0])
    for told in (*written["following"], *written["people"][0]["action"]):
        assert f"`{told}`" in PAGE
    assert named("name") == [*STAGES, *SUMS]


def test_the_page_lists_every_event_kind_and_field():
    assert sorted(named("`kind`")) == sorted(get_args(EventKind))
    rows = re.findall(r"^\| `\w+` \| .* \| (`.*`) \|$", PAGE.partition("## MQTT")[0], re.MULTILINE)
    told = {name for row in rows for name in re.findall(r"`(\w+)`", row)}
    assert told | {"kind", "time_s", "unix_s"} == {field.name for field in fields(Event)}


def test_the_example_subscriber_prints_an_event(monkeypatch, capsys):
    subscribe = pytest.importorskip("paho.mqtt.subscribe", reason="pip install 'skd-edge[mqtt]'")
    asked = []
    monkeypatch.setattr(subscribe, "callback", lambda heard, topic, **_: asked.append((heard, topic)))
    (block,) = code(ROOT / "docs/outputs.md")
    exec(block, {})
    ((heard, topic),) = asked
    assert topic == "front/event"
    started = event_record(Event("action_started", 1.2, 3, "wave", 0.9))
    heard(None, None, SimpleNamespace(payload=json.dumps({**started, "unix_s": 5.5}).encode()))
    assert capsys.readouterr().out == "5.5 3 wave 0.9\n"


def test_the_page_lists_the_fields_of_state(result):
    page = Page(Overlay(PENN), PENN, LatencyHistory(0), "a clip")
    page.show(result)
    state = page.state()
    assert named("field of `/state`") == list(state)
    row = re.search(r"^\| `people` \| per person (.*)$", PAGE, re.MULTILINE)[1]
    assert set(state["people"][0]) <= set(re.findall(r"`(\w+)`", row))


def test_the_page_lists_the_fields_of_the_report():
    bundle = read_bundle(ROOT / "bundles/everyday")
    config, outcome = RunConfig("clip.mp4", bundle.folder), RunOutcome(frames=1, seconds=1.0)
    figures = _figures(config, bundle, outcome, LatencyHistory(0))
    told = ["machine", "source", "pose", "student"]
    assert named("field of the report") == [*told, *figures]


def test_the_page_lists_the_fields_of_a_recording(result):
    assert sorted(named("field of the header")) == sorted(field.name for field in fields(RecordingHeader))
    failed = replace(result, failure="broken", pose_failed=True)
    assert named("field of a frame") == re.findall(r'"(frame|time_s|poses|failure)":', frame_line(failed))


def test_the_page_lists_every_exit_code():
    codes = {int(n) for row in re.findall(r"^\| ([\d, ]+) \|", PAGE, re.MULTILINE) for n in row.split(",")}
    known = {code for name, code in vars(exit_codes).items() if name.isupper()}
    assert known | {0} <= codes
