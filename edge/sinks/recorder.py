"""Record the output of the pose stage, for replay on any machine."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from edge.capture.pose_recording import RecordingHeader, frame_line
from edge.sinks.json_lines import line_writer
from edge.sinks.sink import Sink


@contextmanager
def recorder_sink(path: Path, header: RecordingHeader) -> Iterator[Sink]:
    """Write the file that ``--source replay://`` reads. Raises OutputError if the file cannot be written."""
    with line_writer(path) as write:
        write(header.line())
        yield lambda result: write(frame_line(result))
