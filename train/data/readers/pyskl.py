"""Annotation pickles of PYSKL and MMAction2: skeletons of many datasets, 2-D or 3-D, in one file.

Source: Duan, Wang, Chen, Lin, "PYSKL", ACM MM 2022, and the description of its data. ``split`` has lists of clip names
such as xsub_train and xsub_val. ``annotations`` is a list with frame_dir (the clip's name), label, total_frames,
keypoint (M, T, V, C) and, for 2-D, keypoint_score (M, T, V) of every clip. The files have no class names; they are read
from ``label_map.txt`` beside the pickle, one per line, if it exists.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.contract.errors import DataError
from train.data.bodies import MAX_BODIES, motion_spread, top_bodies
from train.data.clip import KINECT_TO_CAMERA, SkeletonClip, SkeletonSet, validated
from train.data.readers.files import read_lines
from train.data.readers.plain_pickle import read_pickle
from train.data.readers.reading import DEFAULT, ReadOptions

LABEL_MAP = "label_map.txt"
LAYOUTS = {(17, 2): "coco-17", (18, 2): "openpose-18", (25, 3): "ntu-25"}
"""Layout by joints and dimensions, the only information on it in the files."""
FPS = 30.0
"""Assumed, since the files have no frame rates."""
Split = tuple[frozenset[str], frozenset[str]]


def read_pyskl(folder: Path, options: ReadOptions = DEFAULT) -> SkeletonSet:
    """Read the clips of the chosen split. ``folder`` may be the pickle itself.

    A split xsub consists of the lists xsub_train and xsub_val; plain lists train and val are the split "official".
    """
    path = _file(folder)
    raw = read_pickle(path)
    parts: list[Any] = [raw.get(key) for key in ("split", "annotations")] if isinstance(raw, dict) else []
    if [type(part) for part in parts] != [dict, list] or not all(isinstance(n, Iterable) for n in parts[0].values()):
        raise DataError("not a dict of split and annotations", where=path, hint="give an annotation pickle of PYSKL")
    splits = _splits(path, raw["split"])
    split = options.choose_split("pyskl", *splits)
    annotations = deque(raw.pop("annotations"))
    found = list(_clips(path, annotations, splits[split]))
    clips = tuple(filter(None, found))
    if not clips:
        raise DataError(f"no annotation of a body is in split {split}", where=path, hint="choose one with --data.split")
    joints = clips[0].joints
    layout = LAYOUTS[joints.shape[2], joints.shape[3]]
    left_out = len(found) - len(clips)
    about = f"{split} of {path.name}" + (f"; {left_out} clips that show nobody left out" if left_out else "")
    return validated(SkeletonSet(path.stem, _classes(path, clips), layout, clips, about))


def _file(folder: Path) -> Path:
    if not folder.is_dir():
        return folder
    if len(found := sorted(folder.glob("*.pkl"))) == 1:
        return found[0]
    raise DataError(
        f"{len(found)} .pkl files are in this folder" if found else "no .pkl file is in this folder",
        where=folder,
        hint="give the file itself",
    )


def _splits(path: Path, raw: dict[Any, Any]) -> dict[str, Split]:
    """Pairs of training and test lists, by the common part of their names."""
    splits: dict[str, Split] = {}
    for key in map(str, raw):
        for other in ("val", "test"):
            if "train" in key and (partner := key.replace("train", other)) in raw:
                train, test = (frozenset(map(str, raw[name])) for name in (key, partner))
                if both := train & test:
                    raise DataError(f"clip {min(both)} is both in {key} and in {partner}", where=path)
                splits.setdefault(re.sub(r"_?train_?", "", key) or "official", (train, test))
    if not splits:
        raise DataError(
            f"its splits ({', '.join(map(str, raw)) or 'none'}) have no pair for training and testing",
            where=path,
            hint="name them like xsub_train and xsub_val",
        )
    return splits


def _clips(path: Path, annotations: deque[Any], split: Split) -> Iterator[SkeletonClip | None]:
    """Convert annotations to clips, None for nobody, one by one, and free each annotation at once."""
    train, test = split
    shape: tuple[int, ...] | None = None
    while annotations:
        raw = annotations.popleft()
        name = str(raw.get("frame_dir")) if isinstance(raw, dict) else ""
        if not name or not isinstance(raw.get("label"), int | np.integer):
            raise DataError("an annotation lacks frame_dir or an integer label", where=path)
        if name in train or name in test:
            clip = _clip(path, name, raw, name in train)
            if clip is not None and clip.joints.shape[2:] != (shape := shape or clip.joints.shape[2:]):
                raise DataError(
                    f"annotation {name} has joints {clip.joints.shape[2:]}, earlier ones {shape}", where=path
                )
            yield clip


def _clip(path: Path, name: str, raw: dict[str, Any], train: bool) -> SkeletonClip | None:
    if "keypoint" not in raw and "raw_file" in raw:
        raise DataError(
            f"annotation {name} has its keypoints in another file, {raw['raw_file']}",
            where=path,
            hint="such files are not supported; merge them first",
        )
    points = _array(path, name, raw, "keypoint", None)
    if points.shape[2:] not in LAYOUTS or not points.shape[1]:
        known = ", ".join(f"{v} joints in {c}-D ({layout})" for (v, c), layout in LAYOUTS.items())
        raise DataError(
            f"annotation {name}: keypoint has shape {points.shape}, not (bodies, frames, joints, 2 or 3)",
            where=path,
            hint=f"supported are {known}",
        )
    if str(frames := raw.get("total_frames", points.shape[1])) != str(points.shape[1]):
        raise DataError(f"annotation {name}: total_frames is {frames}, keypoint has {points.shape[1]}", where=path)
    if not points.any():  # no body, or zeros, where PYSKL's estimators found nobody
        return None
    seen = np.asarray(np.isfinite(points).all(axis=-1) & (points != 0).any(axis=-1))
    joints = np.where(seen[..., None], points, 0).astype(np.float32)
    if points.shape[3] == 2:
        score = np.nan_to_num(_array(path, name, raw, "keypoint_score", points.shape[:3]))
        seen &= score > 0
        strength: NDArray[np.floating] = score.mean(axis=(1, 2))
    else:
        joints *= KINECT_TO_CAMERA
        strength = motion_spread(joints, seen)
    chosen = top_bodies(seen, strength) if len(joints) > MAX_BODIES else slice(None)
    return SkeletonClip(name, int(raw["label"]), joints[chosen], seen[chosen], FPS, train)


def _array(path: Path, name: str, raw: dict[str, Any], key: str, shape: tuple[int, ...] | None) -> NDArray[np.float32]:
    found = raw.get(key)
    if not isinstance(found, np.ndarray) or found.dtype.kind not in "fiu" or shape not in (None, found.shape):
        actual = f"an array {found.dtype} {found.shape}" if isinstance(found, np.ndarray) else type(found).__name__
        raise DataError(
            f"annotation {name}: {key} is {actual}, not numbers"
            + (f" of shape {shape}" if shape else ", (bodies, frames, joints, 2 or 3)"),
            where=path,
        )
    return np.array(found, np.float32)


def _classes(path: Path, clips: tuple[SkeletonClip, ...]) -> tuple[str, ...]:
    names = path.with_name(LABEL_MAP)
    if not names.is_file():
        return tuple(f"class_{label:03d}" for label in range(max(clip.label for clip in clips) + 1))
    return tuple(line.strip() for line in read_lines(names) if line.strip())
