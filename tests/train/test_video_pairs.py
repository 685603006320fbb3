"""Pairs from videos: choice of the subject, matching, and the split."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from edge.contract.errors import DataError
from edge.contract.layouts import JointLayout, convert, layout, mapping
from edge.contract.types import Float32, Pose
from train.video_pairs.follow import FollowConfig, distance, follow_subject, match_body
from train.video_pairs.videos import Video, find_videos, split

BLAZE, TRT, PENN, COCO = layout("blazepose-33"), layout("trt_pose-18"), layout("penn-13"), layout("coco-17")
LAYOUTS = (BLAZE, TRT)
# A person facing the camera, right hand raised, 100 pixels from mid-shoulder to mid-hip: computed by hand.
STANDING = {
    "nose": (0, -150), "left_eye": (5, -155), "right_eye": (-5, -155), "left_ear": (12, -150), "right_ear": (-12, -150),
    "left_shoulder": (30, -100), "right_shoulder": (-30, -100), "left_elbow": (45, -60), "right_elbow": (-60, -120),
    "left_wrist": (50, -10), "right_wrist": (-65, -180), "left_hip": (20, 0), "right_hip": (-20, 0),
    "left_knee": (22, 80), "right_knee": (-22, 80), "left_ankle": (24, 160), "right_ankle": (-24, 160),
}  # fmt: skip


def body(joints: JointLayout, x: float, y: float = 300.0, *, size: float = 1.0, seed: int | None = None) -> Float32:
    """The standing person at (x, y) with the joints of the table, with noise if a seed is given."""
    out = np.zeros((len(joints), 3), np.float32)
    for v, name in enumerate(joints.joints):
        if name in STANDING:
            out[v] = (x + size * STANDING[name][0], y + size * STANDING[name][1], 0.9)
    if seed is not None:
        out[:, :2] += np.random.default_rng(seed).normal(0, 4, (len(joints), 2))
    return out


def poses(*bodies: Float32) -> list[Pose]:
    return [Pose(one, 0.9) for one in bodies]


# Layouts


@pytest.mark.parametrize("target", [TRT, COCO])
def test_blazepose_provides_the_joints_of_coco_and_trt_pose(target: JointLayout) -> None:
    rules = dict(zip(target.joints, mapping(BLAZE, target), strict=True))
    assert all(rules[name] is not None and rules[name].joints == (name,) for name in STANDING)
    converted = convert(body(BLAZE, 100), BLAZE, target)
    for name, (x, y) in STANDING.items():
        np.testing.assert_allclose(converted[target.joints.index(name)], (100 + x, 300 + y, 0.9), rtol=1e-6)
    if target is TRT:
        assert rules["neck"].joints == ("left_shoulder", "right_shoulder")
        np.testing.assert_allclose(converted[target.joints.index("neck")], (100, 200, 0.9), rtol=1e-6)


@pytest.mark.parametrize("source", [BLAZE, TRT, COCO])
def test_every_estimator_provides_the_joints_of_penn_action(source: JointLayout) -> None:
    converted = convert(body(source, 100), source, PENN)
    for v, name in enumerate(PENN.joints):
        # nose and both ears: (0 + 12 - 12) / 3 and (-150 * 3) / 3
        x, y = (0, -150) if name == "head" else STANDING[name]
        np.testing.assert_allclose(converted[v], (100 + x, 300 + y, 0.9), rtol=1e-6)


# Choice of the subject


def test_the_subject_has_the_largest_track_and_its_cheap_match_is_the_same_person() -> None:
    frames = 12
    high = [poses(body(BLAZE, 100, size=0.5), body(BLAZE, 500 + 3 * t)) for t in range(frames)]
    # The cheap estimator swaps their order from frame 5 on.
    low = [
        poses(*(body(TRT, 500 + 3 * t, seed=t), body(TRT, 100, size=0.5, seed=t))[:: 1 if t < 5 else -1])
        for t in range(frames)
    ]
    low[7] = poses(body(TRT, 100, size=0.5))  # it loses the subject and sees only the other person
    high[9] = poses(body(BLAZE, 100, size=0.5))  # the good one loses the subject: no ground truth
    good, poor = follow_subject(high, low, [t / 30 for t in range(frames)], LAYOUTS, FollowConfig())
    nose = [joints.joints.index("nose") for joints in LAYOUTS]
    for t in range(frames):
        if t != 9:
            assert good[t, nose[0], 0] == 500 + 3 * t
        if t not in (7, 9):
            assert abs(poor[t, nose[1], 0] - (500 + 3 * t)) < 20
    assert not poor[7].any() and not good[9].any() and not poor[9].any()


def test_a_longer_track_wins_over_a_larger_body() -> None:
    high = [poses(body(BLAZE, 100), *([body(BLAZE, 600, size=1.5)] if t < 4 else [])) for t in range(12)]
    good, _ = follow_subject(high, [[]] * 12, [t / 30 for t in range(12)], LAYOUTS, FollowConfig())
    assert (good[:, BLAZE.joints.index("nose"), 0] == 100).all()


def test_of_equal_tracks_the_first_is_the_subject_and_unseen_joints_are_at_zero() -> None:
    first, second, cheap = body(BLAZE, 100), body(BLAZE, 600), body(TRT, 100)
    first[5, 2] = cheap[7, 2] = 0
    good, poor = follow_subject([poses(first, second)] * 3, [poses(cheap)] * 3, [0, 0.1, 0.2], LAYOUTS, FollowConfig())
    for found, given, unseen in ((good, first, 5), (poor, cheap, 7)):
        np.testing.assert_array_equal(found[1], np.where(np.arange(len(given))[:, None] == unseen, 0, given))


def test_a_person_who_jumps_is_two_tracks_if_a_larger_similarity_is_asked_for() -> None:
    high = [poses(body(BLAZE, 100 + 15 * (t % 2))) for t in range(6)]
    for similarity, seen in ((0.15, 6), (0.9, 3)):
        config = FollowConfig(min_similarity=similarity)
        good, _ = follow_subject(high, [[]] * 6, [t / 10 for t in range(6)], LAYOUTS, config)
        assert good.any(axis=(1, 2)).sum() == seen


def test_a_subject_who_is_hidden_for_less_than_the_age_of_a_track_stays_the_subject() -> None:
    high = [poses(*([] if 3 <= t < 12 else [body(BLAZE, 100)])) for t in range(15)]
    for age_s, seen in ((1.0, 6), (0.5, 3)):
        good, _ = follow_subject(high, [[]] * 15, [t / 10 for t in range(15)], LAYOUTS, FollowConfig(max_age_s=age_s))
        assert good.any(axis=(1, 2)).sum() == seen


def test_without_people_no_joint_is_seen() -> None:
    good, poor = follow_subject([[]] * 3, [poses(body(TRT, 0))] * 3, [0, 0.1, 0.2], LAYOUTS, FollowConfig())
    assert good.shape == (3, 33, 3) and poor.shape == (3, 18, 3) and not good.any() and not poor.any()


def test_distance_is_the_median_in_torso_lengths_and_ignores_swapped_sides() -> None:
    assert distance(body(BLAZE, 0), body(TRT, 25), LAYOUTS) == pytest.approx(0.25)
    assert distance(body(BLAZE, 0, size=2), body(TRT, 50, size=2), LAYOUTS) == pytest.approx(0.25)
    behind = body(TRT, 0)[list(TRT.mirror)]
    assert distance(body(BLAZE, 0), behind, LAYOUTS) == 0
    few = body(TRT, 0)
    few[2:, 2] = 0
    assert distance(body(BLAZE, 0), few, LAYOUTS) == np.inf


def test_a_torso_that_is_hidden_or_seen_from_its_end_is_estimated_from_the_height() -> None:
    bust = body(BLAZE, 0)
    bust[list(BLAZE.index("right_elbow", "right_wrist"))] = 0
    bust[bust[:, 1] > 200] = 0
    # A third of 55 pixels from the eyes to the shoulders; a tenth of 340 pixels from the raised hand to the ankles.
    assert distance(bust, body(TRT, 25), LAYOUTS) == pytest.approx(25 / (55 / 3))
    bent = body(BLAZE, 0)
    bent[list(BLAZE.index("left_shoulder", "right_shoulder")), 1] = 300
    assert distance(bent, body(TRT, 25), LAYOUTS) == pytest.approx(25 / 34)
    line = body(TRT, 25)
    bust[:, 1] = line[:, 1] = 300
    assert distance(bust, line, LAYOUTS) == pytest.approx(25 / (1 / 3)), "a height of at least one pixel"


def test_a_body_nearer_to_somebody_else_is_not_matched() -> None:
    subject, other = body(BLAZE, 0), body(BLAZE, 90)

    def match(*candidates: Float32) -> Float32 | None:
        return match_body(subject, [body(BLAZE, 900), other], candidates, LAYOUTS, 0.75)

    theirs, ours, far = body(TRT, 60), body(TRT, 30), body(TRT, -80)
    assert match(theirs) is None and match(far) is None and match() is None
    assert match(theirs, far, ours) is ours
    assert match(ours, nearest := body(TRT, 5)) is nearest


# Folders and splits


def touch(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return folder


def test_videos_are_found_by_class_and_other_files_ignored(tmp_path: Path) -> None:
    folder = touch(tmp_path, "b/2.MP4", "b/1.mkv", "a/deep/3.avi", "a/._3.avi", ".git/x.mp4", "alone.mp4")
    found = find_videos(folder)
    assert found == [Video("a/deep/3.avi", "a"), Video("b/1.mkv", "b"), Video("b/2.MP4", "b")]


def test_folders_named_train_and_test_split_the_videos(tmp_path: Path) -> None:
    names = ("train/a/1.mp4", "train/a/3.mp4", "train/b/1.mp4", "test/a/2.mp4")
    found = find_videos(touch(tmp_path, *names))
    assert {video.name: video.part for video in found} == {name: name.split("/")[0] for name in names}
    assert split(found, 0.9) == {name: name.startswith("train") for name in names}
    found = find_videos(touch(tmp_path, "walk/1.mp4"))
    assert {video.label for video in found} == {"train", "test", "walk"} and not any(video.part for video in found)


@pytest.mark.parametrize(
    ("names", "said"),
    [
        ([], "no subfolders here"),
        (["1.mp4", "2.mp4"], "no subfolders here"),
        (["a/1.txt", "a/2.txt"], "no videos in its subfolders; known suffixes are mp4"),
        (["a/1.mp4", "b/1.mp4"], "no class has two videos"),
    ],
)
def test_unusable_folders_say_why(tmp_path: Path, names: Sequence[str], said: str) -> None:
    with pytest.raises(DataError, match=said):
        find_videos(touch(tmp_path, *names))
    with pytest.raises(DataError, match="no such folder"):
        find_videos(tmp_path / "nowhere")


def test_the_split_covers_every_class_and_a_new_video_moves_at_most_one_other() -> None:
    videos = [Video(f"{label}/{n}.mp4", label) for label in "abc" for n in range(2 + ord(label) % 7)]
    parts = split(videos, 0.25)
    assert parts == split(videos[::-1], 0.25)
    for label in "abc":
        assert {parts[video.name] for video in videos if video.label == label} == {True, False}
    assert sum(parts[f"c/{n}.mp4"] for n in range(3)) == 2
    many = [Video(f"a/{n}.mp4", "a") for n in range(41)]
    before, after = split(many[:-1], 0.25), split(many, 0.25)
    ranked = sorted(after, key=lambda name: hashlib.sha256(name.encode()).hexdigest())
    assert {name for name in after if not after[name]} == set(ranked[:10])
    assert sum(before[name] != after[name] for name in before) <= 1
    assert split([Video("a/1.mp4", "a")], 0.25) == {"a/1.mp4": True}
