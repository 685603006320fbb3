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
from train.data.clip import SkeletonClip, SkeletonSet
from train.data.generated.body import LAYOUT, SIDES, random_body
from train.data.generated.kinematic import CLASSES, FPS, PEOPLE, generate_clip, make_kinematic, perform
from train.data.generated.motions import MOTIONS
from train.data.pairs import PairConfig, PairDataset

LEAVE_THE_FLOOR = {"jog", "jumping_jacks"}


@pytest.fixture(scope="module")
def clips() -> SkeletonSet:
    return make_kinematic(6, seed=1)


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


def test_who_stays_on_the_spot_faces_the_camera_within_40_degrees_and_who_walks_goes_anywhere_in_a_curve() -> None:
    headings = {}
    for action in ("squat", "walk"):
        draws = [np.random.default_rng(seed) for seed in range(100)]
        performed = [perform(MOTIONS[action], random_body(rng), 90, rng) for rng in draws]
        left, right = np.moveaxis(np.stack(performed)[:, :, LAYOUT.index("left_hip", "right_hip")], 2, 0)
        headings[action] = np.degrees(np.unwrap(np.arctan2(*(left - right)[..., [2, 0]].transpose(2, 0, 1))))
    still, walking = headings.values()
    assert np.ptp(still, axis=1).max() < 1 and 35 < np.abs(still).max() <= 40.01
    assert np.histogram(walking[:, 0] % 360, 8, (0, 360))[0].min() > 3
    assert 10 < np.ptp(walking, axis=1).mean() < 100


def test_elbows_and_knees_bend_one_way_by_2_to_150_degrees(clips: SkeletonSet) -> None:
    bent = []
    for first, hinge, last in (("shoulder", "elbow", "wrist"), ("hip", "knee", "ankle")):
        for side in SIDES:
            at = LAYOUT.index(f"{side}_{first}", f"{side}_{hinge}", f"{side}_{last}")
            ends = np.diff(np.concatenate([clip.joints[0][:, at] for clip in clips.clips]), axis=1)
            upper, lower = (ends / np.linalg.norm(ends, axis=-1, keepdims=True)).transpose(1, 0, 2)
            bent.append(np.degrees(np.arccos((upper * lower).sum(axis=-1))))
    assert np.min(bent) > 1.9 and 145 < np.max(bent) < 150.1


def test_clips_last_2_4_to_3_6_seconds(clips: SkeletonSet) -> None:
    seconds = [clip.joints.shape[1] / FPS for clip in clips.clips]
    assert 2.36 < min(seconds) < 2.6 and 3.4 < max(seconds) <= 3.6


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


def test_a_person_has_the_same_body_in_all_clips_of_a_seed() -> None:
    def bones(clip: SkeletonClip) -> NDArray[np.float32]:
        return np.array([np.linalg.norm(clip.joints[0, 0, a] - clip.joints[0, 0, b]) for a, b in LAYOUT.edges])

    first, again, other, of_another_seed = (
        bones(generate_clip(MOTIONS[name], name, 0, index, seed))
        for name, index, seed in (("wave", 2, 0), ("squat", PEOPLE + 2, 0), ("wave", 3, 0), ("wave", 2, 1))
    )
    assert np.abs(first - again).max() < 1e-4
    assert np.abs(first - other).max() > 0.01 < np.abs(first - of_another_seed).max()


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
