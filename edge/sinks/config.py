"""Configuration of the outputs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from edge.contract.errors import ConfigError
from edge.sinks.mqtt import parse_broker
from edge.sinks.page_server import parse_page_address

VIDEO_SUFFIXES = (".mp4", ".mkv", ".avi", ".mov", ".webm")
PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg")


@dataclass(frozen=True)
class SinkConfig:
    """Where results go. Files appear when the run ends, complete or not at all."""

    video: Path | None = None
    """Annotated video to write, for instance annotated.mp4."""
    json: Path | None = None
    """File to write one JSON object per frame to: people, keypoints in pixels, actions, latencies in milliseconds."""
    events: Path | None = None
    """File to write one JSON object per event to: a person, action or camera loss begins or ends, a stage fails."""
    picture: Path | None = None
    """Annotated frame with the most and surest labels to write, .png or .jpg. Labels are those of the clip centred on
    it."""
    page: str | None = None
    """Port of a live web page for this machine, for instance 8080; host:port for other machines too, with a token."""
    page_token: str | None = None
    """Token that the web page requires. Unset: none for this machine alone; otherwise one is generated and printed."""
    mqtt: str | None = None
    """MQTT broker to publish events to, mqtt://user:password@host:1883/topic; needs paho-mqtt."""
    show: bool = False
    """Show a window. Pressing q or closing it ends the run."""
    codec: str | None = None
    """Video codec as four letters; mp4v uses least CPU. Unset: avc1 (H.264) if OpenCV can encode it, else mp4v;
    VP80 in .webm."""

    def __post_init__(self) -> None:
        # Malformed values are refused before a camera is opened.
        if self.video is not None and self.video.suffix.lower() not in VIDEO_SUFFIXES:
            raise ConfigError(f"{self.video} is not a video format", hint=f"use the suffix {', '.join(VIDEO_SUFFIXES)}")
        if self.codec is not None and len(self.codec) != 4:
            raise ConfigError(f"unknown codec {self.codec!r}", hint="give four letters, for instance mp4v or avc1")
        if self.picture is not None and self.picture.suffix.lower() not in PICTURE_SUFFIXES:
            hint = f"use the suffix {', '.join(PICTURE_SUFFIXES)}"
            raise ConfigError(f"{self.picture} is not an image format", hint=hint)
        if self.page is not None:
            parse_page_address(self.page, self.page_token)
        if self.mqtt is not None:
            parse_broker(self.mqtt)

    @property
    def files(self) -> dict[str, Path]:
        """Sink name -> the file it writes."""
        files = {"video": self.video, "json": self.json, "events": self.events, "picture": self.picture}
        return {name: path for name, path in files.items() if path is not None}
