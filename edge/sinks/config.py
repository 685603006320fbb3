"""Where results go, by the keys of the configuration."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


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
