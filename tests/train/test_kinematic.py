"""The clip generator: limbs of constant length, feet on the floor, distinguishable actions."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.stats import binom

from edge.contract.errors import DataError
from edge.contract.preprocess import Preprocessing
from train.data.clip import SkeletonSet
from train.data.generated.arms import BOTH_ARMS, ONE_ARM
from train.data.generated.body import ANGLES, LAYOUT, RATIOS, SIDES, Body, on_floor, pose, random_body
from train.data.generated.kinematic import CLASSES, FPS, PEOPLE, make_kinematic, perform
from train.data.generated.motions import MOTIONS
from train.data.pairs import PairConfig, PairDataset

STATURE_M = 1.7
BODY = Body({name: ratio * STATURE_M for name, ratio in RATIOS.items()}, "right")
LEAVE_THE_FLOOR = {"jog", "jumping_jacks"}


@pytest.fixture(scope="module")
def clips() -> SkeletonSet:
    return make_kinematic(6, seed=1)


def posed(heading_deg: float = 0.0, **angles: float) -> dict[str, NDArray[np.float64]]:
    """One frame of the mean body, joint name -> (x, y, z)."""
    curves = {name: np.full(1, float(angles.get(name, 0.0))) for name in ANGLES}
    joints, _ = pose(BODY, curves, np.full(1, heading_deg))
    return dict(zip(LAYOUT.joints, joints[0], strict=True))


def test_a_person_facing_the_camera_has_the_left_hand_on_the_right_of_the_image() -> None:
    joints = posed()
    for pair in ("shoulder", "elbow", "wrist", "hand", "hip", "knee", "ankle", "foot"):
        assert joints[f"left_{pair}"][0] > joints["hip_centre"][0] > joints[f"right_{pair}"][0]
    assert joints["left_foot"][2] < joints["left_ankle"][2], "the toes point to the camera, towards smaller z"


def test_a_person_turned_to_the_right_of_the_image_has_the_left_side_away_from_the_camera() -> None:
    joints = posed(heading_deg=90)
    assert joints["left_shoulder"][2] > joints["right_shoulder"][2]
    assert joints["left_foot"][0] > joints["left_ankle"][0]


@pytest.mark.parametrize(
    ("angles", "towards"),
    [
        ({"left_shoulder_flex": 90}, (0, 0, -1)),
        ({"left_shoulder_abduct": 90}, (1, 0, 0)),
        ({"left_shoulder_flex": 180}, (0, 1, 0)),
        ({"left_shoulder_abduct": 180}, (0, 1, 0)),
    ],
)
def test_a_straight_arm_points_where_the_anatomy_says(angles: dict[str, float], towards: tuple[int, int, int]) -> None:
    joints = posed(**angles)
    arm = joints["left_hand"] - joints["left_shoulder"]
    assert np.allclose(arm / np.linalg.norm(arm), towards, atol=1e-9)


def test_the_elbow_bends_forward_the_knee_backward_and_outward_twist_lifts_a_wave() -> None:
    joints = posed(right_elbow=90, right_knee=90)
    assert joints["right_wrist"][2] < joints["right_elbow"][2] - 0.2
    assert joints["right_ankle"][2] > joints["right_knee"][2] + 0.2
    wave = posed(right_shoulder_abduct=90, right_shoulder_twist=90, right_elbow=90)
    assert wave["right_wrist"][1] - wave["right_elbow"][1] == pytest.approx(BODY.lengths["forearm"])
    assert wave["right_elbow"][0] < wave["right_shoulder"][0]


def test_mirrored_angles_give_the_mirrored_body() -> None:
    rng = np.random.default_rng(0)
    angles = {name: float(rng.uniform(-60, 60)) for name in ANGLES}
    swapped = dict(angles)
    for name in ANGLES:
        side, _, rest = name.partition("_")
        if side in SIDES:
            swapped[f"{'right' if side == 'left' else 'left'}_{rest}"] = angles[name]
    swapped |= {name: -angles[name] for name in ("bend", "turn", "tilt")}
    one, other = posed(30, **angles), posed(-30, **swapped)
    joints = list(one)
    mirrored = [joints[i] for i in LAYOUT.mirror]
    assert np.allclose([one[j] for j in joints], np.array([other[j] for j in mirrored]) * (-1, 1, 1))


def test_a_standing_body_is_as_tall_as_its_ratios_say() -> None:
    joints, heels = pose(BODY, {name: np.zeros(1) for name in ANGLES}, np.zeros(1))
    x = dict(zip(LAYOUT.joints, on_floor(joints, heels, np.zeros(1), FPS)[0], strict=True))
    # Winter: knee 0.285, hip 0.530 and shoulder 0.818 of stature above the floor.
    for joint, share in (("left_foot", 0), ("left_knee", 0.285), ("left_hip", 0.530), ("left_shoulder", 0.818)):
        assert x[joint][1] == pytest.approx(share * STATURE_M, abs=0.002 * STATURE_M), joint


def test_a_supporting_foot_does_not_slide() -> None:
    frames = 40
    angles = {name: np.zeros(frames) for name in ANGLES}
    angles["left_hip_flex"] = np.linspace(20, -20, frames)
    angles["right_hip_flex"] = np.full(frames, 40.0)
    angles["right_knee"] = np.full(frames, 80.0)
    x = on_floor(*pose(BODY, angles, np.full(frames, 90.0)), np.zeros(frames), FPS)
    foot, hips = x[:, LAYOUT.joints.index("left_foot")], x[:, LAYOUT.joints.index("hip_centre")]
    # Smoothing of the path lets a foot slide by a centimetre or two where a step begins.
    assert np.ptp(foot[:, 0]) < 0.03
    assert hips[-1, 0] - hips[0, 0] == pytest.approx(2 * np.sin(np.radians(20)) * 0.491 * STATURE_M, abs=0.03)


def test_limbs_keep_their_lengths(clips: SkeletonSet) -> None:
    for clip in clips.clips:
        for a, b in LAYOUT.edges:
            length = np.linalg.norm(clip.joints[0, :, a] - clip.joints[0, :, b], axis=-1)
            assert np.ptp(length) < 1e-4, (clip.id, LAYOUT.joints[a], LAYOUT.joints[b])


def test_the_lowest_foot_is_on_the_floor(clips: SkeletonSet) -> None:
    for clip in clips.clips:
        lowest = clip.joints[0, ..., 1].min(axis=1)
        assert lowest.min() > -1e-5, clip.id
        if clips.classes[clip.label] not in LEAVE_THE_FLOOR:
            # Toes rise a little where a heel strikes.
            assert lowest.max() < 0.04, clip.id


def test_joggers_and_jumping_jacks_leave_the_floor_and_come_back(clips: SkeletonSet) -> None:
    for clip in clips.clips:
        if clips.classes[clip.label] in LEAVE_THE_FLOOR:
            lowest = clip.joints[0, ..., 1].min(axis=1)
            assert lowest.max() > 0.02 and lowest.min() < 0.01, clip.id


def test_walkers_and_joggers_move_forward_at_a_plausible_speed(clips: SkeletonSet) -> None:
    chest = list(LAYOUT.index("left_shoulder", "right_shoulder"))
    for clip in clips.clips:
        x = clip.joints[0].astype(np.float64)
        steps = np.diff(x[:, LAYOUT.joints.index("hip_centre")], axis=0)[:, [0, 2]] * FPS
        speed = np.linalg.norm(steps.mean(axis=0))
        action = clips.classes[clip.label]
        if action == "walk":
            assert 0.25 < speed < 1.8
        elif action == "jog":
            assert 1.0 < speed < 3.2
        else:
            assert speed < 0.5, clip.id
            continue
        across = (x[:, chest[0]] - x[:, chest[1]])[:-1, [0, 2]]
        ahead = np.stack([across[:, 1], -across[:, 0]], axis=-1)  # left is at 90 degrees to ahead
        assert np.mean((ahead * steps).sum(axis=-1) > 0) > 0.9, clip.id


def test_arms_swing_with_half_of_the_walkers_and_a_quarter_swing_neither() -> None:
    times_s, resting = np.arange(60) / FPS, Counter[int]()
    for seed in range(400):
        angles = MOTIONS["walk"](times_s, "right", np.random.default_rng(seed)).angles
        resting[sum(np.ndim(angles[f"{side}_shoulder_flex"]) == 0 for side in SIDES)] += 1
    for arms, share in ((0, 0.5), (1, 0.25), (2, 0.25)):
        low, high = binom.interval(0.9999, 400, share)
        assert low <= resting[arms] <= high


@pytest.mark.parametrize(
    ("posture", "wrist"),
    [
        ("folded", "in front of the other half of the chest"),
        ("on the hips", "beside the hip"),
        ("behind the back", "behind the hips"),
    ],
)
def test_both_arms_rest_where_their_posture_says(posture: str, wrist: str) -> None:
    drawn = {name: sum(limits) / 2 for name, limits in BOTH_ARMS[posture].items()}
    joints = posed(**{f"{side}_{name}": value for side in SIDES for name, value in drawn.items()})
    x, y, z = joints["left_wrist"]
    hip, shoulder = joints["left_hip"], joints["left_shoulder"]
    if wrist == "behind the hips":
        assert z > hip[2] + 0.05 and y < joints["spine"][1]
    elif wrist == "beside the hip":
        assert x > hip[0] and abs(y - hip[1]) < 0.15 and abs(z - hip[2]) < 0.15
    else:
        assert x < shoulder[0] - 0.15 and z < shoulder[2] - 0.1 and hip[1] < y < shoulder[1]


@pytest.mark.parametrize("posture", ONE_ARM)
def test_one_arm_rests_where_its_posture_says(posture: str) -> None:
    drawn = {name: sum(limits) / 2 for name, limits in ONE_ARM[posture].items()}
    joints = posed(**{f"left_{name}": value for name, value in drawn.items()})
    wrist, hip, head, spine = (joints[name] for name in ("left_wrist", "left_hip", "head", "spine"))
    if posture == "at the face":
        assert np.linalg.norm(wrist - head) < 0.3
    elif posture == "carrying":
        assert wrist[2] < hip[2] - 0.15 and hip[1] < wrist[1] < spine[1] + 0.2
    else:
        assert abs(wrist[1] - hip[1]) < 0.12 and np.linalg.norm((wrist - hip)[[0, 2]]) < 0.35


def test_the_same_seed_gives_the_same_clips_and_another_does_not(clips: SkeletonSet) -> None:
    again, other = make_kinematic(6, seed=1), make_kinematic(6, seed=2)
    assert all(np.array_equal(a.joints, b.joints) for a, b in zip(clips.clips, again.clips, strict=True))
    assert not np.array_equal(clips.clips[0].joints, other.clips[0].joints)


def test_a_larger_set_contains_the_smaller_one(clips: SkeletonSet) -> None:
    larger = {clip.id: clip for clip in make_kinematic(8, seed=1).clips}
    assert all(np.array_equal(larger[clip.id].joints, clip.joints) for clip in clips.clips)


def test_no_person_is_in_both_parts() -> None:
    data = make_kinematic(PEOPLE + 5, seed=0)
    people = [{clip.id.split("-p")[-1] for clip in data.part(train)} for train in (True, False)]
    assert people[0] and people[1] and not people[0] & people[1]
    assert len(data.part(False)) / len(data.clips) == pytest.approx(1 / 3, abs=0.02)
    assert {clip.label for clip in data.part(False)} == set(range(len(CLASSES)))


def test_zero_clips_are_an_error() -> None:
    with pytest.raises(DataError, match="no clips"):
        make_kinematic(0, seed=0)


@given(st.sampled_from(CLASSES), st.integers(0, 2**32 - 1), st.integers(1, 120))
@settings(max_examples=60)
def test_every_performance_is_finite_and_of_human_size(action: str, seed: int, frames: int) -> None:
    rng = np.random.default_rng(seed)
    joints = perform(MOTIONS[action], random_body(rng), frames, rng)
    assert joints.shape == (frames, 20, 3) and joints.dtype == np.float32
    assert np.isfinite(joints).all()
    assert np.ptp(joints[..., 1], axis=1).min() > 0.6 and joints[..., 1].max() < 2.8


def test_nearest_neighbours_in_frequency_recognise_actions_of_unseen_people() -> None:
    data = make_kinematic(30, seed=0)
    config = PairConfig(preprocessing=Preprocessing(), layout="penn-13")

    def spectra(train: bool) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        part = PairDataset(data, config, train=train, seed=0)
        _, clip, labels = part.batch(np.arange(len(part)))
        return np.abs(np.fft.rfft(clip[:, :2], axis=2)).reshape(len(clip), -1), labels

    (known, names), (asked, truth) = spectra(True), spectra(False)
    distance = ((asked[:, None] - known[None]) ** 2).sum(axis=-1)
    assert np.mean(names[distance.argmin(axis=1)] == truth) > 0.85
