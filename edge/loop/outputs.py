"""Build the sinks that a configuration asks for."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

from edge.capture.pose_recording import RecordingHeader, frame_line
from edge.latency import LatencyHistory
from edge.loop.config import RunConfig
from edge.loop.parts import Parts
from edge.sinks.mqtt import mqtt_sink, parse_broker
from edge.sinks.page_server import parse_page_address

if TYPE_CHECKING:  # imports OpenCV
    from edge.sinks.sink_worker import SinkOptions, SinkWorker


def sink_workers(
    config: RunConfig, parts: Parts, history: LatencyHistory, notify: Callable[[str], None]
) -> list[SinkWorker]:
    """The configured sinks and the recording of poses, not opened yet.

    To add one, write a file in edge/sinks, add a key to its config.py and an entry here. Files receive every frame of a
    recording; with a live source, a slow sink receives the latest ones.
    notify: receives the address of the page, and messages about a full disk or a broker that does not respond.
    """
    # These import OpenCV, which would slow down `--help`.
    from edge.drawing.overlay import Overlay
    from edge.sinks.json_lines import events_sink, json_lines_sink, lines_sink
    from edge.sinks.page import Page
    from edge.sinks.page_server import page_sink
    from edge.sinks.picture import picture_sink
    from edge.sinks.sink_worker import SinkOptions, SinkWorker, dropped_by_sink
    from edge.sinks.video import video_sink

    sinks, source, pose, window = config.sinks, parts.source, parts.pose, parts.window
    lossless, clip_s = not source.live, parts.bundle.manifest.preprocessing.duration_s
    overlay, workers = Overlay(pose.layout), list[SinkWorker]()

    def add(name: str, sink: AbstractContextManager[Callable[[Any], object]], options: SinkOptions) -> None:
        workers.append(SinkWorker(name, sink, options, overlay, history))

    if sinks.video is not None:
        sink = video_sink(
            sinks.video, overlay, fps=source.fps, size=source.size, codec=sinks.codec, live=source.live, warn=notify
        )
        add("video", sink, SinkOptions(images=True, annotated=True, lossless=lossless))
    if sinks.json is not None:
        add("json", json_lines_sink(sinks.json, pose.layout), SinkOptions(lossless=lossless))
    if sinks.events is not None:
        add("events", events_sink(sinks.events), SinkOptions(kind="events"))
    if sinks.picture is not None:
        add("picture", picture_sink(sinks.picture, overlay, clip_s), SinkOptions(images=True, lossless=lossless))
    if config.record is not None:
        header = RecordingHeader(pose.layout.name, source.fps, source.size, source.describe(), pose.describe())
        add("record", lines_sink(config.record, frame_line, header.line()), SinkOptions(lossless=lossless))
    if sinks.page is not None:
        page = Page(overlay, pose.layout, history, source.describe(), lambda: dropped_by_sink(workers))
        address = parse_page_address(sinks.page, sinks.page_token)
        add("page", page_sink(page, address, lambda url: notify(f"page     {url}")), SinkOptions(images=True))
        add("page events", nullcontext(page.add_event), SinkOptions(kind="events"))
    if sinks.mqtt is not None:
        add("mqtt", mqtt_sink(parse_broker(sinks.mqtt), notify), SinkOptions(kind="events"))
    if window is not None:
        options = SinkOptions(images=True, annotated=True, idle=window.check)
        add("window", nullcontext(lambda result: window.show(overlay.render(result))), options)
    return workers
