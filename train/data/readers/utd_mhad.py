"""UTD-MHAD: 861 Kinect recordings of 27 everyday and sport actions by 8 people, 20 joints in 3-D.

Source: Chen, Jafari, Kehtarnavaz, "UTD-MHAD", ICIP 2015. The reader takes the authors' files
(``Skeleton/a1_s1_t1_skeleton.mat`` and so on, with d_skel (20, 3, F) in metres; action, subject and trial in the name)
or the packed ``utd_mhad.npz`` with xyz (F, 20, 3) in metres, length, and meta (action 1-27, subject 1-8, trial).
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge.contract.errors import DataError
from train.data.clip import KINECT_TO_CAMERA, SkeletonClip, SkeletonSet, validated
from train.data.readers.files import check_arrays, clip_slices, files_in, read_arrays, read_mat
from train.data.readers.reading import DEFAULT, ReadOptions, parse_files

FILE = "utd_mhad.npz"
FPS = 30.0
_NAMES = (
    "swipe_left swipe_right wave clap throw arm_cross basketball_shoot draw_x draw_circle_clockwise "
    "draw_circle_counter_clockwise draw_triangle bowling boxing baseball_swing tennis_swing arm_curl tennis_serve "
    "push knock catch pick_up_and_throw jog_in_place walk_in_place sit_to_stand stand_to_sit lunge squat"
)
CLASSES = tuple(_NAMES.split())
_FILE_NAME = re.compile(r"a(\d+)_s(\d+)_t(\d+)_skeleton")


def read_utd_mhad(folder: Path, options: ReadOptions = DEFAULT) -> SkeletonSet:
    """Read all clips; odd subjects train (431), even subjects test (430), as in the authors' split."""
    packed = folder / FILE
    if not packed.exists() and (files := files_in(folder, ("Skeleton", "."), "a*_skeleton.mat")):
        clips = tuple(parse_files(files, read_skeleton_file, options.workers, "UTD-MHAD"))
    else:
        clips = _read_packed(packed)
    return validated(SkeletonSet("UTD-MHAD", CLASSES, "kinect-20", clips, "odd subjects train / even test"))


def read_skeleton_file(path: Path) -> SkeletonClip:
    """Read one ``a1_s1_t1_skeleton.mat``. Raises DataError if it is damaged."""
    named = _FILE_NAME.fullmatch(path.stem)
    if named is None:
        raise DataError("the name has no action, subject and trial", where=path, hint="name it as in a1_s1_t1_skeleton")
    raw = read_mat(path, {"d_skel": None})["d_skel"]
    # MATLAB drops the last axis if there is a single frame.
    xyz = raw[..., None] if raw.ndim == 2 else raw
    check_arrays(path, {"d_skel": xyz}, {"d_skel": "20 3 frames"})
    action, subject, trial = (int(number) for number in named.groups())
    return _clip(action, subject, trial, xyz.transpose(2, 0, 1).astype(np.float32))


def _read_packed(path: Path) -> tuple[SkeletonClip, ...]:
    own = "the authors' own Skeleton/a1_s1_t1_skeleton.mat and so on"
    arrays = read_arrays(path, {"xyz": "frames 20 3", "length": "int clips", "meta": "int clips 3"}, instead=own)
    frames = clip_slices(path, arrays["length"], len(arrays["xyz"]))
    xyz = arrays["xyz"].astype(np.float32)
    return tuple(
        _clip(int(action), int(subject), int(trial), xyz[part])
        for part, (action, subject, trial) in zip(frames, arrays["meta"], strict=True)
    )


def _clip(action: int, subject: int, trial: int, xyz: NDArray[np.float32]) -> SkeletonClip:
    joints, seen = (xyz * KINECT_TO_CAMERA)[None], np.asarray(np.isfinite(xyz).all(axis=-1))[None]
    return SkeletonClip(f"utd-a{action}-s{subject}-t{trial}", action - 1, joints, seen, FPS, train=bool(subject % 2))
