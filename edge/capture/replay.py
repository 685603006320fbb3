"""Recorded poses as a source: replays everything after the pose stage, on any machine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from edge.capture.pose_recording import RecordedFrame, RecordingHeader, read_frames, read_header
from edge.capture.source import RecordedSource
from edge.contract.layouts import layout
from edge.contract.types import Frame, PoseResult


class Replay(RecordedSource):
    """See :class:`edge.capture.source.Source`.

    Raises SourceError for a file that is not a recording; while iterating, for a damaged one.
    """

    length_frames: int | None = None

    def __init__(self, path: Path) -> None:
        self.uri, self._path = f"replay://{path}", path
        self._header = read_header(path)
        self.fps, self.size = self._header.fps, self._header.size

    def describe(self) -> str:
        origin = f", recorded from {self._header.source}" if self._header.source else ""
        return f"{self._path}: recorded poses, {self.size[0]}x{self.size[1]}, {self.fps:.4g} frames/s{origin}"

    def __iter__(self) -> Iterator[Frame]:
        return read_frames(self._path, self._header)

    def pose_stage(self) -> ReplayedPoses:
        """The stage that replaces the pose estimator."""
        return ReplayedPoses(self._header)


class ReplayedPoses:
    """See :class:`edge.loop.pose_stage.PoseStage`: returns the recorded poses."""

    def __init__(self, header: RecordingHeader) -> None:
        self.layout, self._header = layout(header.layout), header

    def describe(self) -> str:
        return f"as recorded: {self._header.pose or self.layout.name}"

    def estimate(self, frame: Frame) -> PoseResult:
        assert isinstance(frame, RecordedFrame)
        return PoseResult(frame, frame.poses, frame.failure)

    def close(self) -> None:
        """Nothing is held open."""
