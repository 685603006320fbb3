"""The content of the live page: frames, people, latencies, power and events."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from operator import itemgetter
from typing import Any

import cv2
import numpy as np

from edge.contract.layouts import JointLayout
from edge.contract.types import Event, FrameResult, Person
from edge.drawing.overlay import Overlay, following_text, person_colour
from edge.latency import DECISION, LatencyHistory
from edge.power import power_w
from edge.sinks.json_lines import event_record

MAX_WIDTH = 960
"""Wider images are scaled down: browser windows are rarely wider, and encoding costs time on the board."""
JPEG_QUALITY = 80
MAX_EVENTS = 100
STALL_TIMEOUT_S = 2.0
"""After this long without a frame the frame rate is 0."""
REPEAT_INTERVAL_S = 2.0
"""Without new frames the last image is sent at this interval. Sending reveals that a browser has disconnected, and some
browsers show an image only when the next one begins."""
LATENCY_FRAMES = 300
"""Window of the latencies shown."""


class Page:
    """Hold what browsers poll. Thread-safe. Images are drawn and encoded only while a browser is connected.

    dropped_by_sink: returns what :func:`edge.sinks.sink_worker.dropped_by_sink` does; called for every poll.
    """

    def __init__(
        self,
        overlay: Overlay,
        layout: JointLayout,
        history: LatencyHistory,
        source: str,
        dropped_by_sink: Callable[[], Mapping[str, int]] = dict,
    ) -> None:
        self._overlay, self._layout, self._history, self._source = overlay, layout, history, source
        self._dropped_by_sink = dropped_by_sink
        self._changed = threading.Condition()
        self._events: deque[Event] = deque(maxlen=MAX_EVENTS)
        self._times: deque[float] = deque(maxlen=31)
        self._result: FrameResult | None = None
        self._jpeg, self._number = b"", 0
        self._viewers: list[str] = []
        self._lost = False
        self.ended = False

    def show(self, result: FrameResult) -> None:
        jpeg = self._encode(result) if self._viewers else b""
        with self._changed:
            self._result = result
            self._times.append(time.monotonic())
            if jpeg:
                self._jpeg, self._number = jpeg, self._number + 1
            self._changed.notify_all()

    def add_event(self, event: Event) -> None:
        with self._changed:
            self._events.append(event)
            self._lost = event.kind == "source_lost" or (self._lost and event.kind != "source_back")

    def end(self) -> None:
        """End all streams."""
        with self._changed:
            self.ended = True
            self._changed.notify_all()

    def images(self, viewer: str = "") -> Iterator[bytes]:
        """Yield JPEG images as frames arrive, always the newest. Blocks. viewer: the browser's id."""
        with self._changed:
            self._viewers.append(viewer)
        number = -1
        try:
            while True:
                with self._changed:
                    self._changed.wait_for(lambda: self.ended or self._number > number, REPEAT_INTERVAL_S)  # noqa: B023
                    if self.ended:
                        return
                    jpeg, number, result = self._jpeg, self._number, self._result
                if not jpeg and result is not None:
                    jpeg = self._encode(result)
                if jpeg:
                    yield jpeg
        finally:
            with self._changed:
                self._viewers.remove(viewer)
                if not self._viewers:
                    self._jpeg = b""  # stale when the next browser connects

    def state(self, viewer: str = "") -> dict[str, Any]:
        """Everything but the image, for JSON. watched: whether a stream to that viewer is open."""
        rows = self._history.summary(LATENCY_FRAMES)
        with self._changed:
            result, times = self._result, list(self._times)
            events = [event_record(event) for event in reversed(self._events)]
            lost, watched = self._lost, viewer in self._viewers
        fps = (len(times) - 1) / (times[-1] - times[0]) if len(times) > 1 else 0.0
        if times and time.monotonic() - times[-1] > STALL_TIMEOUT_S:
            fps = 0.0
        missing = result.joint_dropout.tolist() if result and result.joint_dropout is not None else ()
        return {
            "source": self._source,
            "lost": lost,
            "watched": watched,
            "fps": round(fps, 1),
            "age_ms": round(rows[DECISION].p50_ms, 1) if DECISION in rows else None,
            "power_w": power_w(),
            "failure": result.failure if result else None,
            "following": (following_text(result) or None) if result else None,
            "people": sorted(map(_person, result.people), key=itemgetter("track_id")) if result else [],
            "latency": {name: [round(row.p50_ms, 2), round(row.p90_ms, 2)] for name, row in rows.items()},
            "given_up": self._dropped_by_sink(),
            "dropout": {name: round(part, 3) for name, part in zip(self._layout.joints, missing, strict=False)},
            "events": events,
        }

    def _encode(self, result: FrameResult) -> bytes:
        image = self._overlay.render(result)
        if image.shape[1] > MAX_WIDTH:
            size = (MAX_WIDTH, round(image.shape[0] * MAX_WIDTH / image.shape[1]))
            image = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
        return bytes(cv2.imencode(".jpg", image, (cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY))[1])


def _person(person: Person) -> dict[str, Any]:
    action = person.action
    return {
        "track_id": person.track_id,
        "followed": person.followed,
        "fill": round(person.clip_fill, 2),
        "colour": "#{2:02x}{1:02x}{0:02x}".format(*person_colour(person)),
        "label": None if action is None else action.label,
        "score": None if action is None else round(action.score, 3),
    }
