"""Recorded poses as JSON lines, from which tracker, student and events can be replayed bit for bit.

The first line is a header, every other line is a frame. Keypoints have nine significant digits, enough for an exact
float32; times have all their digits.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from edge.contract.errors import SourceError
from edge.contract.layouts import LAYOUTS
from edge.contract.reading import parse_json, wrap_read_errors
from edge.contract.types import Frame, FrameResult, Image, Pose

FORMAT = "skd-edge poses"
VERSION = 1
MAX_SIDE = 1 << 15
"""Largest width and height in pixels; a replay allocates a black image of the recorded size."""
MAX_FPS, MAX_TIME_S = 1000, 1e12
"""No source has a higher rate, and no clock a later time."""
_UNREADABLE = "check its permissions, or copy it again"
_DAMAGED = "copy or record it again"
_NOT_ONE = "give a file written by --record"


@dataclass(frozen=True)
class RecordingHeader:
    """layout: name of the joint layout. fps: nominal, in Hz. size: (width, height) in pixels. The rest: for display."""

    layout: str
    fps: float
    size: tuple[int, int]
    source: str = ""
    pose: str = ""
    format: str = FORMAT
    version: int = VERSION

    def line(self) -> str:
        """The first line of a recording."""
        return json.dumps(asdict(self))


@dataclass(frozen=True)
class RecordedFrame(Frame):
    """A frame with its poses and failure, see :class:`edge.contract.types.PoseResult`. Images are black: none are
    recorded."""

    poses: tuple[Pose, ...]
    failure: str | None


def frame_line(result: FrameResult) -> str:
    """The line of one frame. Only failures of the pose stage are recorded, because a replay runs the student again."""
    poses = ",".join(_pose_text(pose) for pose in result.poses)
    failure = f',"failure":{json.dumps(result.failure)}' if result.pose_failed else ""
    time_s = float(result.frame.time_s)
    return f'{{"frame":{result.frame.index},"time_s":{time_s!r},"poses":[{poses}]{failure}}}'


def _pose_text(pose: Pose) -> str:
    rows = ",".join(f"[{x:.9g},{y:.9g},{score:.9g}]" for x, y, score in pose.keypoints.tolist())
    return f'{{"score":{float(pose.score)!r},"keypoints":[{rows}]}}'


_MALFORMED = (ValueError, KeyError, TypeError, OverflowError, RecursionError)


def _reason(error: Exception) -> str:
    if isinstance(error, json.JSONDecodeError):
        return "it is not JSON"
    return f"key {error} is missing" if isinstance(error, KeyError) else str(error)


def read_header(path: Path) -> RecordingHeader:
    """Read the first line. Raises SourceError for a file that is not such a recording, or of another version."""
    with wrap_read_errors(path, SourceError, _UNREADABLE):
        if not path.is_file():
            raise SourceError("no such recording", where=path, hint=_NOT_ONE)
    try:
        with _opened(path) as stream:
            raw = parse_json(stream.readline())
        if not isinstance(raw, dict) or raw.get("format") != FORMAT:
            raise ValueError(f"its first line has no format {FORMAT!r}")
        if raw["version"] != VERSION:
            raise SourceError(
                f"this recording has format version {raw['version']}, this release reads {VERSION}",
                where=path,
                hint="replay it with the release that recorded it",
            )
        names = {f.name for f in fields(RecordingHeader)}
        header = RecordingHeader(**{name: value for name, value in raw.items() if name in names})
        width, height = (int(n) for n in header.size)
        if header.layout not in LAYOUTS or not 0 < min(width, height) <= max(width, height) <= MAX_SIDE:
            raise ValueError("unknown layout or invalid size in its first line")
        if not 0 < float(header.fps) < MAX_FPS:
            raise ValueError(f"fps is {header.fps} in its first line")
    except _MALFORMED as error:
        raise SourceError(f"not a recording of poses: {_reason(error)}", where=path, hint=_NOT_ONE) from error
    return replace(header, fps=float(header.fps), size=(width, height))


def read_frames(path: Path, header: RecordingHeader) -> Iterator[RecordedFrame]:
    """Yield the frames. Raises SourceError with the line number where the file is damaged or truncated."""
    joints, last, last_s = len(LAYOUTS[header.layout]), -1, -MAX_TIME_S
    black = np.zeros((header.size[1], header.size[0], 3), np.uint8)
    with _opened(path) as stream:
        stream.readline()
        for number, line in enumerate(stream, start=2):
            try:
                if not line.endswith("\n"):
                    raise ValueError("the recording is truncated")
                # As floats, or -0 would lose its sign.
                frame = _frame(json.loads(line, parse_int=float), joints, black)
                if not last_s < frame.time_s < MAX_TIME_S:
                    raise ValueError("time_s does not increase, or is no time of a clock")
                if not frame.index > last:
                    raise ValueError("frame does not increase")
            except _MALFORMED as error:
                raise SourceError(f"line {number}: {_reason(error)}", where=path, hint=_DAMAGED) from error
            last, last_s = frame.index, frame.time_s
            yield frame
    if last < 0:
        raise SourceError("the recording has no frames", where=path, hint=_DAMAGED)


@contextmanager
def _opened(path: Path) -> Iterator[TextIO]:
    """Open as text. Bytes that are not UTF-8 are replaced, so that the error names their line."""
    with wrap_read_errors(path, SourceError, _UNREADABLE), path.open(encoding="utf-8-sig", errors="replace") as stream:
        yield stream


def _frame(raw: Any, joints: int, image: Image) -> RecordedFrame:
    with np.errstate(over="ignore"):  # overflows to infinity, which is rejected below
        poses = tuple(
            Pose(np.array(pose["keypoints"], np.float64).reshape(joints, 3).astype(np.float32), float(pose["score"]))
            for pose in raw["poses"]
        )
    if not all(np.isfinite(pose.keypoints).all() and math.isfinite(pose.score) for pose in poses):
        raise ValueError("keypoints or scores are not finite")
    failure = raw.get("failure")
    if not (failure is None or isinstance(failure, str)):
        raise TypeError(f"failure is {failure!r}, not text")
    return RecordedFrame(int(raw["frame"]), float(raw["time_s"]), image, poses, failure)
