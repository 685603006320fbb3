"""Readers of the real datasets: counts, layouts, sides, and damaged files."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge.contract.errors import DataError
from edge.contract.layouts import layout
from train.data.cameras import project
from train.data.clip import SkeletonSet
from train.data.readers.penn_action import read_penn_action
from train.data.readers.utd_mhad import read_utd_mhad


@pytest.fixture(scope="module")
def penn(shared_data: Path) -> SkeletonSet:
    return read_penn_action(shared_data)


@pytest.fixture(scope="module")
def utd(shared_data: Path) -> SkeletonSet:
    return read_utd_mhad(shared_data)


def test_penn_action_has_its_official_split(penn: SkeletonSet) -> None:
    assert len(penn.clips) == 2326 and len(penn.classes) == 15
    assert (len(penn.part(True)), len(penn.part(False))) == (1258, 1068)
    assert penn.split == "official, 1258 train / 1068 test"
    assert penn.layout == "penn-13" and {clip.joints.shape[2:] for clip in penn.clips} == {(13, 2)}
    assert len({clip.id for clip in penn.clips}) == 2326
    assert {clip.label for clip in penn.part(False)} == set(range(15))


def test_only_penn_action_joints_at_the_corner_are_unseen(penn: SkeletonSet, shared_data: Path) -> None:
    with np.load(shared_data / "penn_action.npz") as raw:
        pinned = (raw["xy"] <= 1.5).all(axis=-1)
    seen = np.concatenate([clip.seen[0] for clip in penn.clips])
    assert pinned.any() and np.array_equal(seen.sum(axis=1), (~pinned).sum(axis=1))
    assert np.array_equal(seen[:, 0], ~pinned[:, 0])


def test_penn_action_clips_are_sliced_by_length(penn: SkeletonSet, shared_data: Path) -> None:
    with np.load(shared_data / "penn_action.npz") as raw:
        start = int(raw["length"][:1000].sum())
        clip = penn.clips[1000]
        assert clip.joints.shape[1] == raw["length"][1000]
        assert np.array_equal(clip.joints[0, 0, 0], raw["xy"][start, 0]) and clip.label == raw["label"][1000]


@pytest.mark.parametrize(
    ("action", "view", "left_is_on_the_right"),
    [("jumping_jacks", "front", 1.0), ("pullup", "front", 1.0), ("pullup", "back", 0.0), ("bowl", "back", 0.0)],
)
def test_left_in_penn_action_is_the_persons_own(
    penn: SkeletonSet, shared_data: Path, action: str, view: str, left_is_on_the_right: float
) -> None:
    with np.load(shared_data / "penn_action.npz") as raw:
        views = raw["view"]
    clips = [
        clip for clip, v in zip(penn.clips, views, strict=True) if v == view and penn.classes[clip.label] == action
    ]
    pair = list(layout("penn-13").index("left_shoulder", "right_shoulder"))
    apart = [
        np.median((clip.joints[0, :, pair[0]] - clip.joints[0, :, pair[1]])[clip.seen[0][:, pair].all(axis=1), 0])
        for clip in clips
        if clip.seen[0][:, pair].all(axis=1).any()
    ]
    assert len(apart) > 50
    assert np.mean(np.array(apart) > 0) == pytest.approx(left_is_on_the_right, abs=0.03)


def test_most_guitarists_of_penn_action_strum_with_their_right_hand(penn: SkeletonSet) -> None:
    wrists = list(layout("penn-13").index("left_wrist", "right_wrist"))
    right_handed = []
    for clip in penn.clips:
        both = clip.seen[0][:, wrists].all(axis=1)
        if penn.classes[clip.label] == "strum_guitar" and both.sum() > 10:
            left, right = np.linalg.norm(np.diff(clip.joints[0][both][:, wrists], axis=0), axis=-1).mean(axis=0)
            right_handed.append(right > left)
    assert len(right_handed) > 50 and np.mean(right_handed) > 0.85


def test_utd_mhad_splits_odd_and_even_subjects(utd: SkeletonSet) -> None:
    assert (len(utd.part(True)), len(utd.part(False))) == (431, 430)
    assert len(utd.classes) == 27 and utd.layout == "kinect-20"
    subjects = {train: {clip.id.split("-")[2] for clip in utd.part(train)} for train in (True, False)}
    assert subjects == {True: {"s1", "s3", "s5", "s7"}, False: {"s2", "s4", "s6", "s8"}}


def test_utd_mhad_people_have_the_size_of_people_and_stand_upright(utd: SkeletonSet) -> None:
    head, *feet = layout("kinect-20").index("head", "left_foot", "right_foot")
    tall = [clip.joints[0, 0, head, 1] - clip.joints[0, 0, feet, 1].min() for clip in utd.clips]
    assert 1.3 < np.median(tall) < 1.8


def test_utd_mhad_people_facing_the_camera_have_their_left_on_the_pictures_right(utd: SkeletonSet) -> None:
    joints = layout("kinect-20")
    left, right = joints.index("left_shoulder", "right_shoulder")
    toes, ankles = joints.index("left_foot", "right_foot"), joints.index("left_ankle", "right_ankle")
    facing = 0
    for clip in utd.clips:
        # Toes nearer to the camera than ankles: the person faces it.
        ahead = clip.joints[0, :5][:, list(ankles), 2] - clip.joints[0, :5][:, list(toes), 2]
        if ahead.mean() > 0:
            facing += 1
            pixels = project(clip.joints, clip.seen, yaw=0, pitch=0, distance_m=3)[0, 0]
            assert pixels[left, 0] > pixels[right, 0], clip.id
    assert facing > len(utd.clips) / 2


def test_utd_mhad_waves_with_the_right_hand_as_its_authors_describe(utd: SkeletonSet) -> None:
    left, right = layout("kinect-20").index("left_wrist", "right_wrist")
    waves = [clip for clip in utd.clips if utd.classes[clip.label] == "wave"]
    assert len(waves) == 32
    assert all(clip.joints[0, :, right, 1].max() > clip.joints[0, :, left, 1].max() for clip in waves)


READERS = {"penn_action.npz": read_penn_action, "utd_mhad.npz": read_utd_mhad}


def small(name: str) -> dict[str, Any]:
    """Two clips of three frames in the packed form."""
    rng = np.random.default_rng(0)
    if name == "penn_action.npz":
        xy = rng.uniform(10, 90, (6, 13, 2)).astype(np.float32)
        xy[5, :, 0] = 1.0  # at the left edge of the image, but not in its corner
        return {
            "xy": xy,
            "vis": np.ones((6, 13), np.uint8),
            "length": np.array([3, 3]),
            "label": np.array([0, 1]),
            "train": np.array([True, False]),
            "classes": np.array(["run", "rest"]),
        }
    return {
        "xyz": rng.normal(0, 1, (6, 20, 3)).astype(np.float32),
        "length": np.array([3, 3]),
        "meta": np.array([[1, 1, 1], [27, 2, 1]]),
    }


@pytest.mark.parametrize("name", READERS)
def test_a_small_packed_file_is_read(tmp_path: Path, name: str) -> None:
    np.savez(tmp_path / name, **small(name))
    data = READERS[name](tmp_path)
    assert [clip.joints.shape[:2] for clip in data.clips] == [(1, 3), (1, 3)]
    assert [clip.train for clip in data.clips] == [True, False]


@pytest.mark.parametrize("name", READERS)
def test_a_joint_with_a_nan_is_unseen(tmp_path: Path, name: str) -> None:
    arrays = small(name)
    points = "xy" if "xy" in arrays else "xyz"
    arrays[points][4, 0, 0] = np.nan
    np.savez(tmp_path / name, **arrays)
    data = READERS[name](tmp_path)
    assert not data.clips[1].seen[0, 1, 0] and data.clips[1].seen.sum() == data.clips[1].seen.size - 1


def write_nothing(path: Path) -> None:
    """The folder exists, the file does not."""


def write_text(path: Path) -> None:
    path.write_text("no arrays here")


def write_empty(path: Path) -> None:
    path.touch()


def write_truncated(path: Path) -> None:
    np.savez(path, **small(path.name))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def write_flipped_byte(path: Path) -> None:
    np.savez(path, **small(path.name))
    flip(path, at=300)  # inside the first array: the archive's checksum fails


def write_flipped_compressed_byte(path: Path) -> None:
    np.savez_compressed(path, **small(path.name))
    flip(path, at=60)  # in the header of the first compressed block


def flip(path: Path, at: int) -> None:
    content = bytearray(path.read_bytes())
    content[at] ^= 0xFF
    path.write_bytes(content)


def write_without_lengths(path: Path) -> None:
    np.savez(path, **{name: array for name, array in small(path.name).items() if name != "length"})


def write_pickle(path: Path) -> None:
    np.savez(path, **{**small(path.name), "length": np.array([3, None], object)})


def write_no_clips(path: Path) -> None:
    arrays = small(path.name)
    np.savez(path, **{name: array if name == "classes" else array[:0] for name, array in arrays.items()})


def write_wrong_joints(path: Path) -> None:
    arrays = small(path.name)
    points = "xy" if "xy" in arrays else "xyz"
    np.savez(path, **{**arrays, points: arrays[points][:, :7]})


def write_lengths_beyond_the_end(path: Path) -> None:
    np.savez(path, **{**small(path.name), "length": np.array([3, 30])})


def write_a_negative_length(path: Path) -> None:
    np.savez(path, **{**small(path.name), "length": np.array([7, -1])})


def write_a_label_too_few(path: Path) -> None:
    arrays = small(path.name)
    labels = "label" if "label" in arrays else "meta"
    np.savez(path, **{**arrays, labels: arrays[labels][:1]})


def write_labels_of_another_shape(path: Path) -> None:
    arrays = small(path.name)
    labels = "label" if "label" in arrays else "meta"
    np.savez(path, **{**arrays, labels: np.stack([arrays[labels]] * 2, axis=-1)})


def write_one_class_name(path: Path) -> None:
    names = {"classes": np.array("run")} if path.name == "penn_action.npz" else {"meta": np.array(1)}
    np.savez(path, **small(path.name) | names)


DAMAGE = [value for name, value in list(globals().items()) if name.startswith("write_")]


@pytest.mark.parametrize("damage", DAMAGE, ids=lambda damage: damage.__name__.removeprefix("write_"))
@pytest.mark.parametrize("name", READERS)
def test_an_invalid_file_is_one_clear_data_error(tmp_path: Path, name: str, damage: Callable[[Path], None]) -> None:
    damage(tmp_path / name)
    with pytest.raises(DataError) as caught:
        READERS[name](tmp_path)
    message = str(caught.value)
    assert "\n" not in message and len(message) > 20
