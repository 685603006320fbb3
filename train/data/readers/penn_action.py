"""Penn Action: 2326 clips of 15 sports actions, 13 joints in 2-D, official split.

Source: Zhang, Zhu, Derpanis, "From Actemes to Action", ICCV 2013. The reader takes the archive's label files
(``labels/0001.mat`` and so on: action, x and y (F, 13) in pixels, visibility, train 1 or -1, nframes) or the packed
``penn_action.npz`` with the frames of all clips concatenated: xy (F, 13, 2) in pixels, length, label, train,
classes.
"""

from __future__ import annotations

from itertools import count
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge.contract.errors import DataError
from edge.contract.layouts import layout
from train.data.clip import SkeletonClip, SkeletonSet, validated
from train.data.readers.files import clip_slices, damaged, files_in, read_arrays, read_mat
from train.data.readers.reading import DEFAULT, ReadOptions, parse_files

FILE = "penn_action.npz"
LAYOUT = "penn-13"
FPS = 30.0
"""The archive has no frame rates; 30 Hz is the rule for web video, from which its clips are taken."""
_NAMES = (
    "baseball_pitch baseball_swing bench_press bowl clean_and_jerk golf_swing jump_rope jumping_jacks pullup pushup "
    "situp squat strum_guitar tennis_forehand tennis_serve"
)
CLASSES = tuple(_NAMES.split())

# Pixels. The archive puts joints without a position at (1, 1), the corner of the image.
_PINNED = 1.5


def read_penn_action(folder: Path, options: ReadOptions = DEFAULT) -> SkeletonSet:
    """Read all clips in the official split, 1258 for training and 1068 for testing."""
    packed, numbered = folder / FILE, "[0-9][0-9][0-9][0-9].mat"
    if not packed.exists() and (files := files_in(folder, ("labels", "Penn_Action/labels", "."), numbered)):
        return _set(CLASSES, tuple(parse_files(files, read_label_file, options.workers, "Penn Action")))
    return _read_packed(packed)


def read_label_file(path: Path) -> SkeletonClip:
    """Read one ``0001.mat``. Raises DataError if it is damaged."""
    raw = read_mat(path, {"action": None, "x": "frames 13", "y": "frames 13", "train": None, "nframes": None})
    action = str(raw["action"].item()) if raw["action"].size == 1 else ""
    train = float(raw["train"].item()) if raw["train"].size == 1 and raw["train"].dtype.kind in "iuf" else 0.0
    if action not in CLASSES or train not in (1, -1):
        raise DataError(
            f"action {action!r} with train {train:g} is not part of Penn Action",
            where=path,
            hint=f"train is 1 or -1, and the actions are {', '.join(CLASSES)}",
        )
    xy = np.stack([raw["x"], raw["y"]], axis=-1).astype(np.float32)
    if raw["nframes"].ravel().tolist() != [len(xy)]:
        raise damaged(path, f"nframes is {raw['nframes'].ravel()}, but there are {len(xy)} frames")
    joints, seen = _joints(xy)
    return SkeletonClip(f"penn-{path.stem}", CLASSES.index(action), joints[None], seen[None], fps=FPS, train=train == 1)


def _read_packed(path: Path) -> SkeletonSet:
    shapes = {"xy": "frames 13 2", "length": "int clips", "label": "int clips", "train": "int clips", "classes": None}
    arrays = read_arrays(path, shapes, instead="the archive's own labels/0001.mat and so on")
    frames = clip_slices(path, arrays["length"], len(arrays["xy"]))
    xy, seen = _joints(arrays["xy"].astype(np.float32))
    clips = tuple(
        SkeletonClip(f"penn-{number:04d}", int(label), xy[None, part], seen[None, part], FPS, train=bool(train))
        for number, part, label, train in zip(count(1), frames, arrays["label"], arrays["train"], strict=False)
    )
    return _set(tuple(str(name) for name in arrays["classes"].ravel()), clips)


def _joints(xy: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Joints (F, 13, 2) with left and right as in this package, seen (F, 13)."""
    # The archive's "left" is the person's right: bowlers seen from behind have it on the right of the image, guitarists
    # strum with it. In this package left is the person's own.
    xy = xy[:, list(layout(LAYOUT).mirror)]
    # Visibility marks occluded joints, but annotators placed them with care, so they count as seen. Only joints at
    # (1, 1) or with values that are not finite are unseen.
    return xy, np.asarray(np.isfinite(xy).all(axis=-1) & ~(xy <= _PINNED).all(axis=-1))


def _set(classes: tuple[str, ...], clips: tuple[SkeletonClip, ...]) -> SkeletonSet:
    train = sum(clip.train for clip in clips)
    split = f"official, {train} train / {len(clips) - train} test"
    return validated(SkeletonSet("Penn Action", classes, LAYOUT, clips, split))
