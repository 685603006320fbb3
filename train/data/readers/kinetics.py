"""Kinetics-400 skeletons: web video of 400 actions, 18 joints in 2-D of two people, estimated by OpenPose.

Source: Yan, Xiong, Lin, "Spatial Temporal Graph Convolutional Networks", AAAI 2018, and the files released with it.
``kinetics_train`` and ``kinetics_val`` have one JSON file per clip: ``data`` is a list of frame_index and skeleton, a
list of people with pose (x, y of 18 joints as fractions of the image) and score (one per joint).
``kinetics_train_label.json`` and ``kinetics_val_label.json`` give has_skeleton, label and label_index of every clip.
Some published clips, such as _2siVCR5EBs, show nobody although has_skeleton is true; they are left out.
The videos were converted to 340 x 256 pixels at 30 Hz before pose estimation.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.contract.errors import DataError
from edge.contract.types import Float32
from train.data.bodies import MAX_BODIES
from train.data.clip import SkeletonClip, SkeletonSet, validated
from train.data.readers.cache import cached_clips
from train.data.readers.files import damaged, read_json
from train.data.readers.reading import DEFAULT, ReadOptions, parse_files

WIDTH_PX, HEIGHT_PX, FPS = 340, 256, 30.0
LAYOUT, JOINTS = "openpose-18", 18
MAX_FRAMES = 10_000
FAR_PX = WIDTH_PX / 4
"""Cost of starting a new person, in pixels: a pose farther than this from a person's last one is somebody else's."""


@dataclass(frozen=True)
class _Labelled:
    path: Path
    label: int
    train: bool


def read_kinetics(folder: Path, options: ReadOptions = DEFAULT) -> SkeletonSet:
    """Read all clips that have a skeleton; kinetics_train is for training, kinetics_val for testing."""
    items: list[_Labelled] = []
    names: dict[int, str] = {}
    indices = [folder / f"kinetics_{part}_label.json" for part in ("train", "val")]
    for index, train in zip(indices, (True, False), strict=True):
        part = folder / index.name.removesuffix("_label.json")
        for clip, about in read_json(index).items():
            label, name = _label(index, clip, about)
            if names.setdefault(label, name) != name:
                raise DataError(f"label {label} is {names[label]!r} and, at clip {clip}, {name!r}", where=index)
            if about["has_skeleton"]:
                items.append(_Labelled(part / f"{clip}.json", label, train))
    if absent := next((item.path for item in items if not item.path.is_file()), None):
        raise damaged(absent, "no such file, but the label file says that this clip has a skeleton")
    classes = tuple(names.get(label, f"class_{label}") for label in range(max(names, default=-1) + 1))

    def parse() -> Iterator[SkeletonClip]:
        return filter(None, parse_files(items, read_clip, options.workers, "Kinetics-400"))

    clips = cached_clips(options.cache, "kinetics", [*indices, *(item.path for item in items)], parse)
    split = f"official, train / validation; {len(items) - len(clips)} clips that show nobody left out"
    return validated(SkeletonSet("Kinetics-400 skeletons", classes, LAYOUT, clips, split))


def _label(index: Path, clip: str, about: Any) -> tuple[int, str]:
    """Label and class name of one clip of a label file."""
    wanted = {"has_skeleton": bool, "label": str, "label_index": int}
    fits = isinstance(about, dict) and all(isinstance(about.get(key), kind) for key, kind in wanted.items())
    if not fits or not 0 <= about["label_index"] < 10_000:
        raise damaged(index, f"clip {clip} has no valid has_skeleton, label and label_index")
    return about["label_index"], about["label"]


def read_clip(item: _Labelled) -> SkeletonClip | None:
    """Read one file: two people (2, S, 18, 2) in pixels, or None if it shows nobody. Raises DataError if it is damaged.

    The two people with the highest mean score of each frame are used, as in ST-GCN. They are matched between frames by
    position, because the files order people independently in every frame.
    """
    path = item.path
    frames = read_json(path, ("data",))["data"]
    poses: dict[int, Float32] = {}
    for row in frames if isinstance(frames, list) else (frames,):
        number, people = (row.get("frame_index"), row.get("skeleton")) if isinstance(row, dict) else (None, None)
        if not isinstance(number, int) or not isinstance(people, list) or number in poses:
            raise damaged(path, f"entry {len(poses)} of data has no skeleton, or no frame_index of its own")
        poses[number] = _top_people(path, number, people)
    if not any(len(people) for people in poses.values()):
        return None
    first, last = min(poses), max(poses)
    if last - first >= MAX_FRAMES:
        raise DataError(f"frames are numbered {first} to {last}", where=path, hint=f"at most {MAX_FRAMES} are read")
    slots = np.zeros((MAX_BODIES, last - first + 1, JOINTS, 3), np.float32)
    where: list[NDArray[np.float32] | None] = [None] * MAX_BODIES
    for number in sorted(poses):
        for person, slot in enumerate(_assign_slots(poses[number], where)):
            slots[slot, number - first] = pose = poses[number][person]
            where[slot] = _centroid(pose)
    joints, seen = np.ascontiguousarray(slots[..., :2]), slots[..., 2] > 0
    return SkeletonClip(path.stem, item.label, joints, seen, FPS, item.train)


def _top_people(path: Path, number: int, people: list[Any]) -> Float32:
    """The at most two people of highest mean score of a frame, (P, 18, 3): pixels and score, 0 where unseen."""
    poses = []
    for person in people:
        try:
            pose, score = (np.array(person[key], np.float32) for key in ("pose", "score"))
        except (KeyError, TypeError, ValueError) as error:
            raise damaged(path, f"frame {number}: a person has no numeric pose and score ({error})") from error
        if pose.shape != (2 * JOINTS,) or score.shape != (JOINTS,):
            raise DataError(
                f"frame {number}: {pose.size} coordinates and {score.size} scores, but {LAYOUT} has {2 * JOINTS} "
                f"and {JOINTS}",
                where=path,
                hint="only OpenPose skeletons of 18 joints are supported",
            )
        xy = pose.reshape(JOINTS, 2) * (WIDTH_PX, HEIGHT_PX)
        seen = np.isfinite(xy).all(axis=-1) & (xy != 0).any(axis=-1) & (score > 0)
        poses.append(np.where(seen[:, None], np.column_stack([xy, score]), 0).astype(np.float32))
    poses = [pose for pose in poses if (pose[:, 2] > 0).any()]
    poses.sort(key=lambda pose: -float(pose[:, 2].mean()))
    return np.array(poses[:MAX_BODIES], np.float32).reshape(-1, JOINTS, 3)


def _assign_slots(people: Float32, where: list[NDArray[np.float32] | None]) -> tuple[int, ...]:
    """Slot (0 or 1) of each person of a frame, such that they move least from the last pose in each slot."""

    def moved(order: tuple[int, ...]) -> float:
        pairs = zip(people, (where[slot] for slot in order), strict=True)
        return sum(FAR_PX if at is None else float(np.linalg.norm(_centroid(pose) - at)) for pose, at in pairs)

    orders = [(0, 1), (1, 0)] if len(people) == MAX_BODIES else [(0,), (1,)][: len(people) * 2]
    return min(orders, key=moved, default=())


def _centroid(pose: Float32) -> NDArray[np.float32]:
    return pose[pose[:, 2] > 0, :2].mean(axis=0)
