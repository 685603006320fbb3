"""A live page for boards without a screen: frames, people, latencies, power and events, in any browser."""

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

WIDEST = 960
"""Images are sent no wider: a browser's window rarely is, and each pixel costs the board's time."""
JPEG_QUALITY = 80
SHOWN_EVENTS = 100
STALL_TIMEOUT_S = 2.0
"""Without a frame for so long there are none a second."""
REPEAT_INTERVAL_S = 2.0
"""While no frame comes the last image is sent so often: of a browser that has left nothing is known until it is sent
something, and some show an image only once the next one begins."""
RECENT_FRAMES = 300
"""Frames that the page's latencies are taken over."""


class Page:
    """What the page shows, kept for browsers to ask for. Images are drawn and coded only while somebody looks.

    dropped_by_sink: of :func:`edge.sinks.sink_worker.dropped_by_sink`, asked whenever a browser asks.
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
        self._events: deque[Event] = deque(maxlen=SHOWN_EVENTS)
        self._times: deque[float] = deque(maxlen=31)
        self._result: FrameResult | None = None
        self._jpeg, self._number = b"", 0
        self._viewers: list[str] = []
        self._lost = False
        self.ended = False

    def show(self, result: FrameResult) -> None:
        """One frame's result."""
        jpeg = self._coded(result) if self._viewers else b""
        with self._changed:
            self._result = result
            self._times.append(time.monotonic())
            if jpeg:
                self._jpeg, self._number = jpeg, self._number + 1
            self._changed.notify_all()

    def add_event(self, event: Event) -> None:
        """What began, ended or broke."""
        with self._changed:
            self._events.append(event)
            self._lost = event.kind == "source_lost" or (self._lost and event.kind != "source_back")

    def end(self) -> None:
        """Browsers that watch are let go."""
        with self._changed:
            self.ended = True
            self._changed.notify_all()

    def images(self, viewer: str = "") -> Iterator[bytes]:
        """JPEG images as they come, the newest each time; waits for them. viewer: a name for who asks."""
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
                    jpeg = self._coded(result)
                if jpeg:
                    yield jpeg
        finally:
            with self._changed:
                self._viewers.remove(viewer)
                if not self._viewers:
                    self._jpeg = b""  # it will be old when somebody looks again

    def state(self, viewer: str = "") -> dict[str, Any]:
        """Everything but the image, ready for JSON. watched: whether images go to that viewer."""
        rows = self._history.summary(RECENT_FRAMES)
        with self._changed:
            result, times = self._result, list(self._times)
            events = [event_record(event) for event in reversed(self._events)]
            lost, watched = self._lost, viewer in self._viewers
        fps = (len(times) - 1) / (times[-1] - times[0]) if len(times) > 1 else 0.0
        if times and time.monotonic() - times[-1] > STALL_TIMEOUT_S:
            fps = 0.0
        return {
            "source": self._source,
            "lost": lost,
            "watched": watched,
            "fps": round(fps, 1),
            "age_ms": round(rows[DECISION].p50_ms, 1) if DECISION in rows else None,
            "power_w": power_w(),
            "failure": result.failure if result else None,
            "following": _following(result),
            "people": sorted(map(_person, result.people), key=itemgetter("track_id")) if result else [],
            "latency": {name: [round(row.p50_ms, 2), round(row.p90_ms, 2)] for name, row in rows.items()},
            "given_up": self._dropped_by_sink(),
            "dropout": self._dropout(result),
            "events": events,
        }

    def _dropout(self, result: FrameResult | None) -> dict[str, float]:
        if result is None or result.joint_dropout is None:
            return {}
        return {n: round(p, 3) for n, p in zip(self._layout.joints, result.joint_dropout.tolist(), strict=True)}

    def _coded(self, result: FrameResult) -> bytes:
        image = self._overlay.render(result)
        if image.shape[1] > WIDEST:
            size = (WIDEST, round(image.shape[0] * WIDEST / image.shape[1]))
            image = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
        return bytes(cv2.imencode(".jpg", image, (cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY))[1])


def _following(result: FrameResult | None) -> str | None:
    return following_text(result) if result is not None and result.following is not None else None


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
