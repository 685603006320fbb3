"""Where results go, by the keys of the configuration."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge.capture.pose_recording import RecordingHeader
from edge.capture.source import Source
from edge.latency import LatencyHistory

if TYPE_CHECKING:  # OpenCV comes along with these
    from edge.drawing.overlay import Overlay
    from edge.loop.pose_stage import PoseStage
    from edge.sinks.outlet import Outlet, Terms


@dataclass(frozen=True)
class SinkConfig:
    """Where results go. Files are written completely or not at all, when the run ends."""

    video: Path | None = None
    """Annotated video, for instance annotated.mp4."""
    json: Path | None = None
    """File with one JSON object per frame: people, keypoints in pixels, actions, latencies in milliseconds."""
    events: Path | None = None
    """File with one JSON object per event: people, actions, failures and lost cameras that begin or end."""
    picture: Path | None = None
    """Picture of the best moment to write, .png or .jpg, each person with the label of the clip around it."""
    page: str | None = None
    """Port of a live web page for browsers on this machine, for instance 8080; host:port for others too, with a
    token."""
    page_token: str | None = None
    """Token that the web page asks for. Unset: none on this machine; elsewhere one is generated and shown."""
    mqtt: str | None = None
    """MQTT broker that gets the events, mqtt://user:password@host:1883/topic; needs paho-mqtt."""
    show: bool = False
    """Show a window; q in it, or closing it, ends the run."""
    codec: str | None = None
    """Four-letter code of the video's codec; mp4v takes least CPU. Unset: avc1 (H.264) where OpenCV has it, else
    mp4v."""

    @property
    def files(self) -> dict[str, Path]:
        """Name of an outlet -> the file that it will write."""
        files = {"video": self.video, "json": self.json, "events": self.events, "picture": self.picture}
        return {name: path for name, path in files.items() if path is not None}


def outlets(
    config: SinkConfig,
    record: Path | None,
    source: Source,
    pose: PoseStage,
    overlay: Overlay,
    history: LatencyHistory,
    clip_s: float,
    say: Callable[[str], None],
) -> list[Outlet]:
    """The configured outputs, not open yet, and the recording of poses. A new one is one file and one entry here.

    Of a recording files get every frame; of a live source whoever is slow gets the newest one. clip_s: how far back
    labels look. say: told where the page is, and about a broker that does not answer.
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

    patient = not source.live
    made: list[Outlet] = []

    def add(name: str, opened: AbstractContextManager[Callable[[Any], None]], terms: Terms) -> None:
        made.append(Outlet(name, opened, terms, overlay, history))

    if config.video is not None:
        sink = video_sink(config.video, overlay, fps=source.fps, size=source.size, codec=config.codec, live=source.live)
        add("video", sink, Terms(pictures=True, annotated=True, patient=patient))
    if config.json is not None:
        add("json", json_lines_sink(config.json, pose.layout), Terms(patient=patient))
    if config.events is not None:
        add("events", events_sink(config.events), Terms(kind="events"))
    if config.picture is not None:
        add("picture", picture_sink(config.picture, overlay, clip_s), Terms(pictures=True, patient=patient))
    if record is not None:
        header = RecordingHeader(pose.layout.name, source.fps, source.size, source.describe(), pose.describe())
        add("record", recorder_sink(record, header), Terms(patient=patient))
    if config.page is not None:
        page = Page(overlay, pose.layout, history, source.describe(), lambda: given_up(made))
        address = page_address(config.page, config.page_token)
        add("page", page_sink(page, address, lambda url: say(f"page     {url}")), Terms(pictures=True))
        add("page events", nullcontext(page.tell), Terms(kind="events"))
    if config.mqtt is not None:
        add("mqtt", mqtt_sink(broker(config.mqtt), say), Terms(kind="events"))
    if config.show:
        add("window", window_sink(overlay), Terms(pictures=True, annotated=True, here=True))
    return made
