"""Recorded poses as a source: replays everything after the pose stage, on any machine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from edge.capture.pose_recording import RecordedPoses, RecordingHeader, read_frames, read_header
from edge.capture.source import RecordedSource
from edge.contract.layouts import layout
from edge.contract.types import Frame, PoseResult


class Replay(RecordedSource):
    """See :class:`edge.capture.source.Source`. Images are black, because none are recorded.

    Raises SourceError for a file that is not a recording; while iterating, for a damaged one.
    """

    length_frames: int | None = None

    def __init__(self, path: Path) -> None:
        self.uri, self._path = f"replay://{path}", path
        self._header = read_header(path)
        self.fps, self.size = self._header.fps, self._header.size
        self._pending: dict[int, RecordedPoses] = {}

    def describe(self) -> str:
        origin = f", recorded from {self._header.source}" if self._header.source else ""
        return f"{self._path}: recorded poses, {self.size[0]}x{self.size[1]}, {self.fps:.4g} frames/s{origin}"

    def __iter__(self) -> Iterator[Frame]:
        black = np.zeros((self.size[1], self.size[0], 3), np.uint8)
        for recorded in read_frames(self._path, self._header):
            self._pending[recorded.index] = recorded
            yield Frame(recorded.index, recorded.time_s, black)

    def pose_stage(self) -> ReplayedPoses:
        """The stage that replaces the pose estimator."""
        return ReplayedPoses(self._header, self._pending)


class ReplayedPoses:
    """See :class:`edge.loop.pose_stage.PoseStage`: returns the recorded poses."""

    def __init__(self, header: RecordingHeader, pending: dict[int, RecordedPoses]) -> None:
        self.layout = layout(header.layout)
        self._header, self._pending = header, pending

    def describe(self) -> str:
        return f"as recorded: {self._header.pose or self.layout.name}"

    def estimate(self, frame: Frame) -> PoseResult:
        recorded = self._pending.pop(frame.index)
        return PoseResult(frame, recorded.poses, recorded.failure)

    def close(self) -> None:
        """Nothing is held open."""
