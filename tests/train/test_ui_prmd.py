"""UI-PRMD: Vicon markers and Kinect joints of the same performance, checked on the real recordings."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge.contract.errors import DataError
from edge.contract.layouts import convert, layout
from train.data.clip import SkeletonClip, SkeletonSet
from train.data.readers.ui_prmd import read_ui_prmd

VICON, KINECT = layout("vicon-39"), layout("kinect-22")


@pytest.fixture(scope="module")
def data(shared_data: Path) -> SkeletonSet:
    return read_ui_prmd(shared_data)


def movement(data: SkeletonSet, name: str) -> list[SkeletonClip]:
    return [clip for clip in data.clips if data.classes[clip.label] == name]


def median_of(clips: list[SkeletonClip], joint: str, axis: int, low: bool = False) -> np.ndarray:
    """Median of one coordinate of a joint over the frames of each clip."""
    names = KINECT if low else VICON
    (at,) = names.index(joint)
    return np.array([np.median((clip.low if low else clip).joints[0, :, at, axis]) for clip in clips])


def test_repetitions_are_labelled_by_movement_and_correctness_and_split_by_subject(data: SkeletonSet) -> None:
    assert len(data.clips) == 1980 and len(data.classes) == 20
    assert (data.layout, data.low_layout) == ("vicon-39", "kinect-22")
    subjects = {train: {clip.id.split("-")[2] for clip in data.part(train)} for train in (True, False)}
    assert subjects == {True: {"s1", "s3", "s5", "s7", "s9"}, False: {"s2", "s4", "s6", "s8", "s10"}}
    # Subject 3's third movement was not recorded: 20 of 1000 training repetitions are missing.
    assert (len(data.part(True)), len(data.part(False))) == (980, 1000)
    assert all(("incorrect" in clip.id) == data.classes[clip.label].endswith("_incorrect") for clip in data.clips)


def test_only_lost_markers_are_unseen(data: SkeletonSet, shared_data: Path) -> None:
    with np.load(shared_data / "ui_prmd.npz") as raw:
        lost = (raw["vicon_mm"] == 0).all(axis=-1)
    assert 1000 < lost.sum() < 0.01 * lost.size
    assert np.array_equal(np.stack([clip.seen[0] for clip in data.clips]), ~lost)


def test_both_sensors_show_people_upright_from_the_front(
    data: SkeletonSet,
) -> None:
    clips = movement(data, "standing_shoulder_abduction_correct")
    for low, (head, toe, left, right) in (
        (False, ("left_temple", "left_toe", "left_acromion", "right_acromion")),
        (True, ("head_top", "left_foot", "left_shoulder", "right_shoulder")),
    ):
        tall = median_of(clips, head, 1, low) - median_of(clips, toe, 1, low)
        assert 1.3 < np.median(tall) < 1.8
        assert (median_of(clips, left, 0, low) > median_of(clips, right, 0, low) + 0.1).all()
    # Toes are nearer to the camera than heels, and the breastbone nearer than the spine behind it.
    assert (median_of(clips, "left_toe", 2) < median_of(clips, "left_heel", 2) - 0.05).all()
    assert (median_of(clips, "sternum", 2) < median_of(clips, "t10", 2)).all()
    assert (median_of(clips, "left_foot", 2, True) < median_of(clips, "left_ankle", 2, True)).all()


def test_both_sensors_see_the_same_arm_go_up(data: SkeletonSet) -> None:
    for clip in movement(data, "standing_shoulder_abduction_correct"):
        assert clip.low is not None
        sides = []
        for recording, names, wrists in (
            (clip, VICON, ("left_wrist_thumb", "right_wrist_thumb")),
            (clip.low, KINECT, ("left_wrist", "right_wrist")),
        ):
            left, right = (np.ptp(recording.joints[0, :, at, 1]) for at in names.index(*wrists))
            sides.append(left > right)
        assert sides[0] == sides[1], clip.id


def test_joints_derived_from_markers_are_near_the_kinects(data: SkeletonSet) -> None:
    """Standing people relative to their hips, in shoulder widths; the Kinect sees them a tenth too small."""
    clips = [clip for clip in movement(data, "standing_shoulder_abduction_correct") if clip.seen[0, 0].all()]
    markers = np.stack([clip.joints[0, 0] for clip in clips])
    kinect = np.stack([clip.low.joints[0, 0] for clip in clips if clip.low is not None])
    seen = np.ones((*markers.shape[:2], 1), np.float32)
    # The mapping takes 2-D views: from the front, then from the side.
    for axes in ([0, 1], [2, 1]):
        derived = convert(np.concatenate([markers[..., axes], seen], axis=-1), VICON, KINECT)
        assert (derived[..., 2] == 1).all()
        ours, theirs = (sized(points[..., :2]) for points in (derived, kinect[..., axes]))
        apart = np.median(np.linalg.norm(ours - theirs, axis=-1), axis=0)
        assert {name: round(float(d), 2) for name, d in zip(KINECT.joints, apart, strict=True) if d > 0.45} == {}


def sized(points: np.ndarray) -> np.ndarray:
    """(N, V, 2) relative to the hips, in lengths from hips to shoulders."""
    hips, shoulders = points[:, [14, 18]].mean(axis=1), points[:, [7, 11]].mean(axis=1)
    return (points - hips[:, None]) / np.linalg.norm(hips - shoulders, axis=-1)[:, None, None]


def test_a_repetition_has_the_duration_of_the_kinects_recording(data: SkeletonSet, shared_data: Path) -> None:
    with np.load(shared_data / "ui_prmd.npz") as raw:
        seconds = (raw["length"] - 1) / 30
    assert [31 / clip.fps for clip in data.clips] == pytest.approx(seconds.tolist())
    assert 1.5 < np.median(seconds) < 4


def packed() -> dict[str, Any]:
    rng = np.random.default_rng(0)
    return {
        "vicon_mm": rng.integers(100, 2000, (2, 32, 39, 3)).astype(np.int16),
        "kinect_mm": rng.integers(100, 2000, (2, 32, 22, 3)).astype(np.int16),
        "length": np.array([60, 70]),
        "meta": np.array([[1, 1, 1, 0], [10, 2, 1, 1]]),
    }


def test_axes_and_labels_of_a_small_file_match_values_by_hand(tmp_path: Path) -> None:
    raw = packed()
    raw["vicon_mm"][0, 0, 0], raw["kinect_mm"][0, 0, 0] = (1000, 200, 1500), (300, 400, -2500)
    np.savez(tmp_path / "ui_prmd.npz", **raw)
    first, second = read_ui_prmd(tmp_path).clips
    assert first.joints[0, 0, 0] == pytest.approx([0.2, 1.5, -1.0])
    assert first.low is not None and first.low.joints[0, 0, 0] == pytest.approx([0.3, 0.4, 2.5])
    assert (first.label, first.train, second.label, second.train) == (0, True, 19, False)
    assert first.fps == pytest.approx(31 * 30 / 59)
    np.savez(tmp_path / "ui_prmd.npz", **raw | {"length": np.array([1, 2])})
    assert [clip.fps for clip in read_ui_prmd(tmp_path).clips] == [31 * 30, 31 * 30]


BROKEN: list[tuple[Callable[[dict[str, Any]], dict[str, Any]], str]] = [
    (lambda raw: {"vicon_mm": raw["vicon_mm"][:, :, :38]}, r"vicon_mm is int16 of shape \(2, 32, 38, 3\), not numbers"),
    (lambda raw: {"kinect_mm": raw["kinect_mm"][:1]}, "kinect_mm is"),
    (lambda raw: {"kinect_mm": raw["kinect_mm"][:, :, :20]}, "kinect_mm is"),
    (lambda raw: {"meta": raw["meta"][:, :3]}, "meta is"),
    (lambda raw: {"meta": raw["meta"] + [[0, 0, 0, 0], [1, 0, 0, 0]]}, "clip 1 has movement 11 and incorrect 1"),
    (lambda raw: {"meta": raw["meta"] - [[1, 0, 0, 0], [0, 0, 0, 0]]}, "clip 0 has movement 0 and incorrect 0"),
    (lambda raw: {"meta": raw["meta"] + [[0, 0, 0, 0], [0, 0, 0, 1]]}, "clip 1 has movement 10 and incorrect 2"),
    (lambda raw: {"vicon_mm": raw["vicon_mm"] * 0}, "clip uiprmd-m1-s1-e1-correct: no joint is ever seen"),
    (
        lambda raw: {name: raw[name][:, :1] for name in ("vicon_mm", "kinect_mm")},
        "clip uiprmd-m1-s1-e1-correct: 0 frames per second",
    ),
    (lambda raw: {name: array[:0] for name, array in raw.items()}, "UI-PRMD contains no clips"),
]


@pytest.mark.parametrize(("change", "said"), BROKEN, ids=range(len(BROKEN)))
def test_an_invalid_file_is_one_clear_line(
    tmp_path: Path, change: Callable[[dict[str, Any]], dict[str, Any]], said: str
) -> None:
    np.savez(tmp_path / "ui_prmd.npz", **(packed() | change(packed())))
    with pytest.raises(DataError, match=said) as caught:
        read_ui_prmd(tmp_path)
    assert "\n" not in str(caught.value)


def test_a_marker_with_a_nan_is_unseen(tmp_path: Path) -> None:
    raw = packed()
    raw["vicon_mm"] = raw["vicon_mm"].astype(np.float32)
    raw["vicon_mm"][1, 3, 7, 0] = np.nan
    np.savez(tmp_path / "ui_prmd.npz", **raw)
    clip = read_ui_prmd(tmp_path).clips[1]
    assert not clip.seen[0, 3, 7] and clip.seen.sum() == clip.seen.size - 1


def test_a_missing_or_truncated_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"ui_prmd\.npz: no such dataset file"):
        read_ui_prmd(tmp_path)
    path = tmp_path / "ui_prmd.npz"
    np.savez(path, **packed())
    path.write_bytes(path.read_bytes()[:-4000])
    with pytest.raises(DataError, match=r"ui_prmd\.npz: not a readable \.npz file"):
        read_ui_prmd(tmp_path)
