"""Write results and events as JSON lines."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from edge.contract.box import bounding_box
from edge.contract.files import atomic_write
from edge.contract.layouts import JointLayout
from edge.contract.types import Event, FrameResult, Person
from edge.sinks.sink import Sink


@contextmanager
def lines_sink(path: Path, line: Callable[[Any], str], *head: str) -> Iterator[Callable[[Any], object]]:
    """Write ``head``, then the line of each result or event. Raises OutputError if the file cannot be written.

    The file gets its name when the block ends.
    """
    # Line buffered, so that `tail -f` on the partial file sees whole lines.
    with atomic_write(path) as partial, partial.open("w", encoding="utf-8", buffering=1) as stream:
        for text in head:
            stream.write(f"{text}\n")
        yield lambda item: stream.write(f"{line(item)}\n")


def json_lines_sink(path: Path, layout: JointLayout) -> AbstractContextManager[Sink]:
    """Write every frame; docs/outputs.md describes the fields."""
    return lines_sink(path, lambda result: json.dumps(record(result, layout), separators=(",", ":")))


def events_sink(path: Path) -> AbstractContextManager[Callable[[Event], object]]:
    """Write every event."""
    return lines_sink(path, lambda event: json.dumps(event_record(event)))


def record(result: FrameResult, layout: JointLayout) -> dict[str, Any]:
    """The JSON object of one frame."""
    wall_clock = {} if result.unix_s is None else {"unix_s": result.unix_s}
    return {
        "frame": result.frame.index,
        "time_s": round(result.frame.time_s, 4),
        **wall_clock,
        "layout": layout.name,
        "people": [_person(person) for person in result.people],
        "following": None if result.following is None else asdict(result.following),
        "failure": result.failure,
        "events": [event_record(event) for event in result.events],
        "latency_ms": {stage: round(ms, 3) for stage, ms in result.latency_ms.items()},
    }


def event_record(event: Event) -> dict[str, Any]:
    """The JSON object of an event, without the fields that are None."""
    return {
        name: round(value, 4) if isinstance(value, float) else value
        for name, value in asdict(event).items()
        if value is not None
    }


def _person(person: Person) -> dict[str, Any]:
    keypoints = person.pose.keypoints
    action = person.action
    return {
        "track_id": person.track_id,
        "followed": person.followed,
        "box": [round(edge, 1) for edge in bounding_box(keypoints)],
        # An undetected joint has no coordinates.
        "keypoints": [
            [round(x, 1), round(y, 1), round(score, 3)] if score > 0 else [0, 0, 0]
            for x, y, score in keypoints.tolist()
        ],
        "clip_fill": round(person.clip_fill, 3),
        "action": None if action is None else {"label": action.label, "score": round(action.score, 4)},
    }
