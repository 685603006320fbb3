"""Recordings of poses to replay."""

import json
from pathlib import Path

import yaml
from bad_input.table import HEADER, Argv, poses, row, rows, run


def recording(folder: Path, text: str) -> Argv:
    (folder / "poses.jsonl").write_text(text)
    return run(folder, source=f"replay://{folder / 'poses.jsonl'}")


def with_header(folder: Path, text: str) -> Argv:
    """text: keys of the first line, as YAML."""
    return recording(folder, json.dumps({**json.loads(HEADER), **yaml.safe_load(text)}) + "\n")


rows(
    with_header,
    {
        "{}": "poses.jsonl: the recording has no frames; copy or record it again",
        "version: 2": "this recording has format version 2, this release reads 1",
        "size: [64, 10000000000]": "not a recording of poses: unknown layout or invalid size in its first line",
        "fps: .inf": "not a recording of poses: fps is inf",
    },
)


@row()
def a_recording_of_poses_that_is_none(folder: Path) -> Argv:
    """poses.jsonl: not a recording of poses: its first line has no format"""
    return recording(folder, "{}\n")


@row()
def a_recording_of_poses_with_a_frame_twice(folder: Path) -> Argv:
    """line 3: frame does not increase"""
    first, second = (f'{{"frame":1,"time_s":{time_s},"poses":[]}}' for time_s in (0, 1))
    return recording(folder, f"{HEADER}\n{first}\n{second}\n")


@row()
def a_recording_of_poses_with_a_score_that_is_no_number(folder: Path) -> Argv:
    """line 2: keypoints or scores are not finite"""
    pose = {"score": float("nan"), "keypoints": [[1, 1, 1]] * 18}
    return recording(folder, f"{HEADER}\n{json.dumps({'frame': 0, 'time_s': 0, 'poses': [pose]})}\n")


@row()
def a_recording_of_poses_with_a_line_of_brackets(folder: Path) -> Argv:
    """line 2: maximum recursion depth exceeded"""
    return recording(folder, HEADER + "\n" + "[" * 100_000 + "\n")


@row()
def a_recording_of_poses_that_breaks_off(folder: Path) -> Argv:
    """line 10: the recording is truncated; copy or record it again"""
    return recording(folder, poses(folder, 9).read_text()[:-1])


@row()
def a_recording_of_too_long_a_name(folder: Path) -> Argv:
    """cannot be read: File name too long; check its permissions"""
    return run(folder, source=f"replay://{folder / ('s' * 300)}")
