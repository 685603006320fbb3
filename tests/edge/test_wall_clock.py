"""Outputs of a live source carry the wall clock, so that they can be joined with other logs; recordings do not."""

import json
import time

import pytest
from parts import Frames, action_stage
from people import PENN
from scripted_stages import Scripted, pipeline

from edge.contract.bundle import read_bundle
from edge.contract.types import Event
from edge.drawing.overlay import Overlay
from edge.latency import LatencyHistory
from edge.sinks.json_lines import events_sink, json_lines_sink
from edge.sinks.sink_worker import SinkOptions, SinkWorker


@pytest.fixture
def written(bundle_folder, tmp_path):
    """Run the loop on 60 frames and read back its JSON lines and events."""

    def run(live):
        people, events = tmp_path / "people.jsonl", tmp_path / "events.jsonl"
        source = Frames(60, live=live, pause_s=0.005 if live else 0.0)
        sinks = {
            "json": (json_lines_sink(people, Scripted.layout), SinkOptions(lossless=True)),
            "events": (events_sink(events), SinkOptions(kind="events")),
        }
        workers = [
            SinkWorker(name, context, options, Overlay(PENN), LatencyHistory(0))
            for name, (context, options) in sinks.items()
        ]
        once = [Event("source_lost", 1.0, text="gone")]
        running = pipeline(
            source,
            Scripted(),
            action_stage(read_bundle(bundle_folder)),
            *workers,
            on_result=lambda result: once and source.on_event(once.pop()),
        )
        running.run()
        return [[json.loads(line) for line in path.read_text().splitlines()] for path in (people, events)]

    return run


def test_every_line_and_event_of_a_live_source_has_the_wall_clock(written):
    begin_s = time.time()
    frames, events = written(live=True)
    clock = [line["unix_s"] for line in (*frames, *events)]
    assert begin_s - 0.001 <= min(clock) and max(clock) <= time.time() + 0.001
    assert [line["unix_s"] for line in frames] == sorted(line["unix_s"] for line in frames)
    assert {"person_entered", "source_lost", "person_left"} <= {event["kind"] for event in events}


def test_an_event_has_the_same_wall_clock_in_every_output(written):
    frames, events = written(live=True)
    within = [event for frame in frames for event in frame["events"]]
    assert within and all(event in events for event in within)
    assert all(event["unix_s"] == frame["unix_s"] for frame in frames for event in frame["events"])


def test_a_recording_is_written_without_the_wall_clock_so_that_runs_can_be_compared(written):
    frames, events = written(live=False)
    assert len(frames) == 60 and events
    assert not any("unix_s" in line for line in (*frames, *events, *(e for frame in frames for e in frame["events"])))
