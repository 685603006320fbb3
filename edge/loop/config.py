"""Configuration of a run: every key of its YAML file, every flag of its command."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

from edge.capture.address import local_path, parse
from edge.capture.source import CaptureConfig
from edge.contract.errors import ConfigError
from edge.contract.intervals import require_in
from edge.loop.restarts import RestartConfig
from edge.pose.registry import PoseConfig
from edge.recognition.decisions import DecisionConfig
from edge.recognition.recogniser import RecogniserConfig
from edge.sinks.config import SinkConfig
from edge.tracking.following import PeopleConfig
from edge.tracking.tracker import TrackerConfig


@dataclass(frozen=True)
class RunConfig:
    """Recognise actions in a video, a folder of images or a camera."""

    source: str
    """Video file, folder of images, 0 or /dev/video0, csi://0, rtsp:// or http:// camera, - for raw frames on stdin,
    replay://poses.jsonl. Options may follow: csi://0?width=1280&height=720&flip=rotate-180, rtsp://host/a#codec=h265."""
    bundle: Path
    """Bundle folder with the trained student, as `python -m train export` wrote it."""
    pose: PoseConfig = field(default_factory=PoseConfig)
    """Which pose estimator, and how it runs."""
    capture: CaptureConfig = field(default_factory=CaptureConfig)
    """What to request from the camera."""
    tracker: TrackerConfig = field(default_factory=TrackerConfig)
    """How people are tracked from frame to frame."""
    people: PeopleConfig = field(default_factory=PeopleConfig)
    """People whose actions are recognised."""
    recogniser: RecogniserConfig = field(default_factory=RecogniserConfig)
    """How the student runs."""
    sinks: SinkConfig = field(default_factory=SinkConfig)
    """Where results go."""
    decisions: DecisionConfig = field(default_factory=DecisionConfig)
    """When and how labels are decided."""
    restarts: RestartConfig = field(default_factory=RestartConfig)
    """How many failures of a stage are tolerated."""
    record: Path | None = None
    """File to record poses to. `--source replay://FILE` repeats everything after the pose stage, on any machine."""
    frames: int | None = None
    """Stop after this many frames; dropped frames of a camera do not count."""
    limit_s: float | None = None
    """Stop after this many seconds of the source."""
    self_test: bool = True
    """Before the first frame, compare the student's outputs with those stored in the bundle."""
    report: Path | None = None
    """JSON file for latencies and the conditions they were measured under."""

    @property
    def files(self) -> dict[str, Path]:
        """Output name -> the file it writes."""
        own = {"record": self.record, "report": self.report}
        return self.sinks.files | {name: path for name, path in own.items() if path is not None}

    def __post_init__(self) -> None:
        if len({os.path.realpath(path) for path in self.files.values()}) < len(self.files):
            raise ConfigError("two outputs have the same name", hint="give each its own")
        source = parse(self.source)
        for path in self.files.values():
            if str(path) == "-":
                raise ConfigError("there is no output to stdout", hint="give a file name instead of -")
            is_source = os.path.realpath(path) == os.path.realpath(local_path(source.target))
            if source.scheme in ("file", "replay") and is_source:
                raise ConfigError(f"{path} is the source itself", hint="give the output another name")
        require_in(self, frames="[1, inf)", limit_s="(0, inf)")
