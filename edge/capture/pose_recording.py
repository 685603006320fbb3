"""Recordings of what the pose stage saw: JSON lines, from which tracker, student and events run again bit for bit.

The first line says what was recorded, every other one is a frame. Keypoints are written with nine digits,
which give the same float32 back; times with all of theirs.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from edge.contract.errors import SourceError
from edge.contract.layouts import LAYOUTS
from edge.contract.reading import wrap_read_errors
from edge.contract.types import FrameResult, Pose

FORMAT = "skd-edge poses"
VERSION = 1
AGAIN = "check its rights, or copy it again"
MOST_PIXELS = 1 << 15
"""Width and height of an image at most; a black one of that size is made for a replay."""


@dataclass(frozen=True)
class RecordingHeader:
    """layout: of the poses, by name. fps: nominal, in Hz. size: (width, height) in pixels. source, pose: for people."""

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
class RecordedPoses:
    """One frame of a recording. See :class:`edge.contract.types.PoseResult` for poses and failure."""

    index: int
    time_s: float
    poses: tuple[Pose, ...]
    failure: str | None


def frame_line(result: FrameResult) -> str:
    """The line of one frame. That the student failed is not part of what the pose stage saw: a replay asks its own."""
    poses = ",".join(_pose_text(pose) for pose in result.poses)
    failure = f',"failure":{json.dumps(result.failure)}' if result.pose_failed else ""
    time_s = float(result.frame.time_s)
    return f'{{"frame":{result.frame.index},"time_s":{time_s!r},"poses":[{poses}]{failure}}}'


def _pose_text(pose: Pose) -> str:
    rows = ",".join(f"[{x:.9g},{y:.9g},{score:.9g}]" for x, y, score in pose.keypoints.tolist())
    return f'{{"score":{float(pose.score)!r},"keypoints":[{rows}]}}'


def read_header(path: Path) -> RecordingHeader:
    """The first line. Raises SourceError where the file is no such recording, or of another version."""
    with wrap_read_errors(path, SourceError, AGAIN):
        is_there = path.is_file()
    if not is_there:
        raise SourceError("no such recording", where=path, hint="give the file that --record wrote")
    try:
        with _opened(path) as stream:
            raw = json.loads(stream.readline())
        if not isinstance(raw, dict) or raw.get("format") != FORMAT:
            raise ValueError("it does not say so")
        if raw["version"] != VERSION:
            raise SourceError(
                f"a recording of version {raw['version']}, this release reads {VERSION}",
                where=path,
                hint="replay it with the release that recorded it",
            )
        names = {f.name for f in fields(RecordingHeader)}
        header = RecordingHeader(**{name: value for name, value in raw.items() if name in names})
        width, height = (int(n) for n in header.size)
        if header.layout not in LAYOUTS or not 0 < min(width, height) <= max(width, height) <= MOST_PIXELS:
            raise ValueError("its first line means nothing here")
        if not 0 < float(header.fps) < math.inf:
            raise ValueError(f"it says {header.fps} frames a second")
    except (
        ValueError,
        KeyError,
        TypeError,
        OverflowError,
        RecursionError,
    ) as error:
        raise SourceError(
            f"not a recording of poses: {error}", where=path, hint="give the file that --record wrote"
        ) from error
    return RecordingHeader(**{**asdict(header), "size": (width, height)})


def read_frames(path: Path, header: RecordingHeader) -> Iterator[RecordedPoses]:
    """The frames, one by one. Raises SourceError, with the line, where the file is damaged or breaks off."""
    joints, last, last_s = len(LAYOUTS[header.layout]), -1, -math.inf
    with _opened(path) as stream:
        stream.readline()
        for number, line in enumerate(stream, start=2):
            try:
                if not line.endswith("\n"):
                    raise ValueError("the recording breaks off")
                # Whole numbers too, or -0.0 would come back as 0.
                frame = _frame(json.loads(line, parse_int=float), joints)
                if not last_s < frame.time_s < math.inf:
                    raise ValueError("time does not rise")
                if not frame.index > last:
                    raise ValueError("the frames' numbers do not rise")
            except (ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
                what = f"no key {error}" if isinstance(error, KeyError) else error
                raise SourceError(f"line {number}: {what}", where=path, hint="copy or record it again") from error
            last, last_s = frame.index, frame.time_s
            yield frame
    if last < 0:
        raise SourceError("there is no frame in this recording", where=path, hint="copy or record it again")


@contextmanager
def _opened(path: Path) -> Iterator[TextIO]:
    """A byte that is no text spoils its own line alone, whose number is told."""
    with wrap_read_errors(path, SourceError, AGAIN), path.open(encoding="utf-8-sig", errors="replace") as stream:
        yield stream


def _frame(raw: Any, joints: int) -> RecordedPoses:
    with np.errstate(over="ignore"):  # to infinity, which is refused below
        poses = tuple(
            Pose(np.array(pose["keypoints"], np.float64).reshape(joints, 3).astype(np.float32), float(pose["score"]))
            for pose in raw["poses"]
        )
    if not all(np.isfinite(pose.keypoints).all() and math.isfinite(pose.score) for pose in poses):
        raise ValueError("keypoints or scores are not finite")
    failure = raw.get("failure")
    if not (failure is None or isinstance(failure, str)):
        raise TypeError(f"failure is {failure!r}, which should be text")
    return RecordedPoses(int(raw["frame"]), float(raw["time_s"]), poses, failure)
