"""The outputs that a configuration asks for."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

from edge.capture.pose_recording import RecordingHeader
from edge.latency import LatencyHistory
from edge.loop.config import RunConfig
from edge.loop.parts import Parts

if TYPE_CHECKING:  # OpenCV comes along with these
    from edge.drawing.overlay import Overlay
    from edge.sinks.outlet import Outlet, Terms


def outlets(
    config: RunConfig, parts: Parts, overlay: Overlay, history: LatencyHistory, say: Callable[[str], None]
) -> list[Outlet]:
    """The configured outputs, not open yet, and the recording of poses. A new one is one file in edge/sinks, one key
    in its config.py, and one entry here.

    Of a recording files get every frame; of a live source whoever is slow gets the newest one. say: told where the
    page is, and about a broker that does not answer.
    """
    # OpenCV alone is what these need, and a run that only counts needs none of them.
    from edge.sinks.events import events_sink
    from edge.sinks.json_lines import json_lines_sink
    from edge.sinks.mqtt import broker, mqtt_sink
    from edge.sinks.outlet import Outlet, Terms, given_up
    from edge.sinks.page import Page
    from edge.sinks.page_server import page_address, page_sink
    from edge.sinks.picture import picture_sink
    from edge.sinks.recorder import recorder_sink
    from edge.sinks.video import video_sink
    from edge.sinks.window import window_sink

    sinks, source, pose = config.sinks, parts.source, parts.pose
    patient, clip_s = not source.live, parts.bundle.manifest.preprocessing.duration_s
    made: list[Outlet] = []

    def add(name: str, opened: AbstractContextManager[Callable[[Any], None]], terms: Terms) -> None:
        made.append(Outlet(name, opened, terms, overlay, history))

    if sinks.video is not None:
        sink = video_sink(sinks.video, overlay, fps=source.fps, size=source.size, codec=sinks.codec, live=source.live)
        add("video", sink, Terms(images=True, annotated=True, patient=patient))
    if sinks.json is not None:
        add("json", json_lines_sink(sinks.json, pose.layout), Terms(patient=patient))
    if sinks.events is not None:
        add("events", events_sink(sinks.events), Terms(kind="events"))
    if sinks.picture is not None:
        add("picture", picture_sink(sinks.picture, overlay, clip_s), Terms(images=True, patient=patient))
    if config.record is not None:
        header = RecordingHeader(pose.layout.name, source.fps, source.size, source.describe(), pose.describe())
        add("record", recorder_sink(config.record, header), Terms(patient=patient))
    if sinks.page is not None:
        page = Page(overlay, pose.layout, history, source.describe(), lambda: given_up(made))
        address = page_address(sinks.page, sinks.page_token)
        add("page", page_sink(page, address, lambda url: say(f"page     {url}")), Terms(images=True))
        add("page events", nullcontext(page.tell), Terms(kind="events"))
    if sinks.mqtt is not None:
        add("mqtt", mqtt_sink(broker(sinks.mqtt), say), Terms(kind="events"))
    if sinks.show:
        add("window", window_sink(overlay), Terms(images=True, annotated=True, here=True))
    return made
