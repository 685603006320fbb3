"""Read a ``.skeleton`` text file of NTU RGB+D.

The file has the number of frames; per frame the number of bodies; per body a line of state (id, hands, lean, tracking),
the number of joints, and one line for each of the 25 joints: x y z in metres, position in the depth image and in the
colour image, orientation as a quaternion, and 0, 1 or 2 for not tracked, inferred, tracked.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge.contract.errors import DataError
from train.data.bodies import MAX_BODIES, motion_spread, pad_bodies, top_bodies
from train.data.clip import KINECT_TO_CAMERA, SkeletonClip
from train.data.readers.files import damaged, read_lines

FPS = 30.0
JOINTS = 25
NUMBERS_PER_JOINT = 12
SLOTS = 4
"""Bodies per frame that are read, in the order of the file, as in the published preprocessing."""
MAX_FRAMES = 100_000
NAME = re.compile(r"S(\d{3})C(\d{3})P(\d{3})R(\d{3})A(\d{3})")


@dataclass(frozen=True)
class Sample:
    """The numbers in a file's name, each counted from 1."""

    setup: int
    camera: int
    person: int
    repetition: int
    action: int


def sample(path: Path) -> Sample:
    """Parse a name such as S001C002P003R002A013. Raises DataError for any other name."""
    if (named := NAME.fullmatch(path.stem)) is None:
        raise DataError(
            "not a file name of NTU RGB+D", where=path, hint="remove it, or name it as in S001C002P003R002A013"
        )
    return Sample(*(int(number) for number in named.groups()))


def read_skeleton(path: Path, train: bool) -> SkeletonClip:
    """Read one file: two bodies (2, S, 25, 3). Raises DataError for a damaged file, or one without a body.

    A body is a position in the frames' lists, of which the first four are read. The two bodies with the largest
    :func:`train.data.bodies.motion_spread` are used, the larger first, as in 2s-AGCN and Shift-GCN. Joints that
    are not tracked or not finite are unseen.
    """
    xyz, seen = _parsed(path)
    if not seen.any():
        raise DataError(
            f"no body in any of the {xyz.shape[1]} frames",
            where=path,
            hint="put the published list of samples with missing skeletons (a .txt file) into the folder",
        )
    xyz *= KINECT_TO_CAMERA
    chosen = top_bodies(seen, motion_spread(xyz, seen))
    joints, seen = pad_bodies(xyz[chosen], seen[chosen], MAX_BODIES)
    return SkeletonClip(path.stem, sample(path).action - 1, joints, seen, FPS, train)


class _Lines:
    """Reads the lines of a file in order; errors name the line."""

    def __init__(self, path: Path) -> None:
        self.path, self.lines, self.at = path, read_lines(path), 0

    def wrong(self, what: str) -> DataError:
        return damaged(self.path, f"line {self.at}: {what}")

    def take(self, count: int, what: str) -> list[str]:
        if self.at + count > len(self.lines):
            self.at = len(self.lines)
            raise self.wrong(f"the file ends where {what} should follow")
        self.at += count
        return self.lines[self.at - count : self.at]

    def number(self, what: str, most: int) -> int:
        (line,) = self.take(1, what)
        if not line.strip().isdecimal() or int(line) > most:
            raise self.wrong(f"{line.strip()[:40]!r} is not {what}")
        return int(line)


def _parsed(path: Path) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Joints (4, S, 25, 3) in the sensor's axes, seen (4, S, 25)."""
    lines = _Lines(path)
    frames = lines.number("the number of frames", MAX_FRAMES)
    if frames == 0:
        raise lines.wrong("the recording has no frames")
    xyz = np.zeros((SLOTS, frames, JOINTS, 3), np.float32)
    seen = np.zeros((SLOTS, frames, JOINTS), bool)
    for frame in range(frames):
        for slot in range(lines.number("the number of bodies", 100)):
            lines.take(1, "a body's state")
            if (joints := lines.number("the number of joints", 1000)) != JOINTS:
                raise lines.wrong(f"{joints} joints, but a body of NTU RGB+D has {JOINTS}")
            rows = lines.take(JOINTS, "a body's joints")
            if slot < SLOTS:
                values = _joints(rows, lines)
                xyz[slot, frame] = np.nan_to_num(values[:, :3], posinf=0, neginf=0)
                seen[slot, frame] = np.isfinite(values[:, :3]).all(axis=-1) & (values[:, -1] > 0)
    return xyz, seen


def _joints(rows: list[str], lines: _Lines) -> NDArray[np.float64]:
    """Parse 25 lines to (25, 12)."""
    try:
        return np.array([row.split() for row in rows], np.float64).reshape(len(rows), NUMBERS_PER_JOINT)
    except ValueError:
        if len(rows) == 1:
            raise lines.wrong(f"not the {NUMBERS_PER_JOINT} numbers of a joint") from None
        lines.at -= len(rows)
        return np.concatenate([_joints(lines.take(1, "a joint"), lines) for _ in rows])
