"""Corruption models: shares, run lengths and sizes of the errors."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.stats import binom

from edge.contract.layouts import layout
from edge.contract.types import Float32
from tests.train.known_errors import PENN, person
from train.data.corruption.estimator_errors import EstimatorErrors, apply_estimator_errors, drop_joints, torso_length

NONE = EstimatorErrors(jitter=0, drift=0, miss=0, limb_miss=0, swap=0, outlier=0)


def estimated(seed: int = 0, frames: int = 4000, **errors: float) -> Float32:
    return apply_estimator_errors(
        person(frames), PENN, EstimatorErrors(**{**vars(NONE), **errors}), np.random.default_rng(seed)
    )


def run_lengths(column: NDArray[np.bool_]) -> NDArray[np.int64]:
    edges = np.flatnonzero(np.diff(np.concatenate([[0], column.astype(int), [0]])))
    return edges[1::2] - edges[::2]


@given(st.integers(0, 10**6), st.floats(0, 1))
def test_drop_leaves_the_stated_share_within_binomial_bounds(seed: int, probability: float) -> None:
    out = drop_joints(person(200), probability, np.random.default_rng(seed))
    unseen, n = int((out[..., 2] == 0).sum()), out[..., 2].size
    # Six in a million on either side: no false alarm in Hypothesis' examples.
    assert binom.ppf(3e-6, n, probability) <= unseen <= binom.ppf(1 - 3e-6, n, probability)
    assert (out[out[..., 2] == 0] == 0).all()


def test_drop_does_not_modify_its_input() -> None:
    good = person(10)
    drop_joints(good, 0.6, np.random.default_rng(0))
    assert np.array_equal(good, person(10))


def test_without_errors_keypoints_are_unchanged() -> None:
    assert np.array_equal(estimated(frames=50), person(50))


def test_errors_do_not_modify_the_input_or_reveal_unseen_joints() -> None:
    good = person(300)
    good[:, 3] = 0
    before = good.copy()
    out = apply_estimator_errors(good, PENN, EstimatorErrors(), np.random.default_rng(0))
    assert np.array_equal(good, before)
    assert (out[:, 3] == 0).all()


def test_jitter_is_the_stated_share_of_the_torso_and_independent_between_frames() -> None:
    off = estimated(jitter=0.03)[..., :2] - person(4000)[..., :2]
    assert off.std() == pytest.approx(3.0, rel=0.02)
    assert abs(np.corrcoef(off[:-1].ravel(), off[1:].ravel())[0, 1]) < 0.02


def test_drift_is_the_stated_share_of_the_torso_and_correlated_over_frames() -> None:
    off = estimated(drift=0.04)[..., :2] - person(4000)[..., :2]
    assert off.std() == pytest.approx(4.0, rel=0.05)
    assert np.corrcoef(off[:-1].ravel(), off[1:].ravel())[0, 1] == pytest.approx(0.88, abs=0.02)


@pytest.mark.parametrize(("share", "run"), [(0.08, 4.0), (0.3, 10.0), (0.5, 2.0)])
def test_missing_joints_have_the_stated_share_and_mean_run(share: float, run: float) -> None:
    unseen = estimated(frames=20000, miss=share, miss_run_frames=run)[..., 2] == 0
    assert unseen.mean() == pytest.approx(share, rel=0.06)
    lengths = np.concatenate([run_lengths(column) for column in unseen.T])
    assert lengths.mean() == pytest.approx(run, rel=0.06)


def test_pairs_are_swapped_for_the_stated_share_of_frames() -> None:
    out, good = estimated(frames=20000, swap=0.05, swap_run_frames=3.0), person(1)[0]
    for left, right in PENN.pairs:
        swapped = (out[:, left] == good[right]).all(axis=-1)
        assert np.array_equal(swapped, (out[:, right] == good[left]).all(axis=-1))
        assert swapped.mean() == pytest.approx(0.05, rel=0.25)
        assert run_lengths(swapped).mean() == pytest.approx(3.0, rel=0.25)
    assert (out[:, 0] == good[0]).all(), "the head has no pair"


def test_outliers_land_on_another_joint_of_the_same_body() -> None:
    out, good = estimated(outlier=0.1), person(1)[0]
    moved = (out != good).any(axis=-1)
    # One outlier in thirteen lands on the joint itself.
    assert moved.mean() == pytest.approx(0.1 * 12 / 13, rel=0.1)
    landed = (out[moved][:, None] == good).all(axis=-1)
    assert landed.sum(axis=1).all() and landed.mean(axis=0) == pytest.approx(np.full(13, 1 / 13), rel=0.25)


def test_an_outlier_that_lands_on_an_unseen_joint_is_unseen() -> None:
    good = person(300)
    good[:, 3] = 0
    errors = EstimatorErrors(**{**vars(NONE), "outlier": 0.5})
    out = apply_estimator_errors(good, PENN, errors, np.random.default_rng(0))
    assert np.array_equal((out[..., :2] == 0).all(axis=-1), out[..., 2] == 0) and not out[:, :3].all()


def test_a_hidden_limb_is_hidden_throughout_the_clip() -> None:
    hidden = np.array([(estimated(seed, frames=20, limb_miss=0.15)[..., 2] == 0) for seed in range(400)])
    assert (hidden.all(axis=1) == hidden.any(axis=1)).all()
    # Twice 0.15 joints of 13 in a clip.
    low, high = binom.interval(0.9999, 400 * 13, 0.3 / 13)
    assert low <= hidden.all(axis=1).sum() <= high


LIMBS = {
    frozenset(f"{side}_{part}" for side in sides for limb in limbs for part in limb[first:])
    for sides in (("left",), ("right",), ("left", "right"))
    for limbs in ([("elbow", "wrist")], [("knee", "ankle")], [("elbow", "wrist"), ("knee", "ankle")])
    for first in (0, 1)
}
"""What may be hidden at once: arms, legs or both, of one side or both, whole or their ends."""


def test_the_stated_share_of_clips_hides_limbs_whole_or_their_ends_throughout_or_in_a_part() -> None:
    clips, hidden, throughout, inside, kinds = 1500, 0, 0, 0, set()
    for seed in range(clips):
        unseen = estimated(seed, 200, hidden=0.3)[..., 2] == 0
        if not unseen.any():  # one of 400 hidden clips hides a part of no length
            continue
        joints = frozenset(PENN.joints[i] for i in np.flatnonzero(unseen.any(axis=0)))
        (start, *_), (*_, last) = [np.flatnonzero(unseen.any(axis=1))] * 2
        assert unseen.sum() == (last + 1 - start) * len(joints), "all of them in one unbroken part"
        hidden, throughout = hidden + 1, throughout + (last + 1 - start == 200)
        inside += start > 0 and last < 199
        kinds.add(joints)
    assert kinds == LIMBS
    low, high = binom.interval(0.9999, clips, 0.3)
    assert low <= hidden <= high
    low, high = binom.interval(0.9999, hidden, 0.5)
    assert low <= throughout <= high and low <= inside <= high


def test_hidden_arms_have_no_hands_in_layouts_that_have_some() -> None:
    joints = layout("blazepose-33")
    body = np.ones((1, len(joints), 3), np.float32)
    errors = EstimatorErrors(**{**vars(NONE), "hidden": 1.0})
    kinds = {
        frozenset(joints.joints[i] for i in np.flatnonzero(out[0, :, 2] == 0))
        for out in (apply_estimator_errors(body, joints, errors, np.random.default_rng(seed)) for seed in range(200))
    }
    hand = {f"left_{part}" for part in ("wrist", "pinky", "index", "thumb")}
    foot = {f"left_{part}" for part in ("ankle", "heel", "foot")}
    assert {
        frozenset(hand),
        frozenset(hand | {"left_elbow"}),
        frozenset(foot),
        frozenset(foot | {"left_knee"}),
    } <= kinds


def test_the_noise_of_clips_differs_within_the_stated_spread() -> None:
    noise = {"jitter": 0.03, "drift": 0.04, "noise_spread": 0.8}
    sizes = np.array([(estimated(seed, 300, **noise) - person(300)).std() for seed in range(300)])
    stated = 5.0 * np.sqrt(2 / 3)  # the score, one of three columns, has no noise
    assert sizes.min() == pytest.approx(0.2 * stated, rel=0.1) and sizes.max() == pytest.approx(1.8 * stated, rel=0.1)
    assert np.median(sizes) == pytest.approx(stated, rel=0.15)


def test_errors_scale_with_the_body_not_with_the_image() -> None:
    half = person(500) * np.array([0.5, 0.5, 1], np.float32)
    noisy = apply_estimator_errors(
        half, PENN, EstimatorErrors(**{**vars(NONE), "jitter": 0.03}), np.random.default_rng(0)
    )
    assert (noisy - half)[..., :2].std() == pytest.approx(1.5, rel=0.05)


@pytest.mark.parametrize("name", ["penn-13", "coco-17", "kinect-20", "blazepose-33"])
def test_a_body_never_seen_stays_unseen_in_every_layout(name: str) -> None:
    joints = layout(name)
    nobody = np.zeros((5, len(joints), 3), np.float32)
    assert not apply_estimator_errors(nobody, joints, EstimatorErrors(), np.random.default_rng(0)).any()


def test_the_stated_share_of_clips_is_cut_off_at_the_waist() -> None:
    legs = [i for i, joint in enumerate(PENN.joints) if joint.split("_")[-1] in ("hip", "knee", "ankle")]
    others = [i for i in range(13) if i not in legs]
    hidden = 0
    for seed in range(600):
        seen = estimated(seed, 4, cut_off=0.3)[..., 2] > 0
        assert seen[:, others].all()
        assert seen[:, legs].all() or not seen[:, legs].any()
        hidden += not seen[:, legs].any()
    low, high = binom.interval(0.9999, 600, 0.3)
    assert low <= hidden <= high


def test_a_bias_is_constant_within_a_clip_and_differs_between_joints_and_clips() -> None:
    errors = {"bias": 0.1, "noise_spread": 0.8}  # which concerns other noise
    offsets = np.stack([(estimated(seed, 5, **errors) - person(5))[..., :2] for seed in range(400)])
    assert np.abs(offsets - offsets[:, :1]).max() < 1e-3
    # A tenth of the torso of 100 pixels, over 400 clips, 13 joints and two axes.
    assert np.sqrt((offsets[:, 0] ** 2).mean()) == pytest.approx(10, rel=0.05)
    assert np.abs(np.corrcoef(offsets[:, 0].reshape(400, 26).T) - np.eye(26)).max() < 0.25


def test_hips_move_along_the_trunk_by_no_more_than_the_stated_share() -> None:
    hips = list(PENN.index("left_hip", "right_hip"))
    moved = np.stack([(estimated(seed, 3, hip_shift=0.2) - person(3))[..., :2] for seed in range(300)])
    shift = moved[:, :, hips, 1]
    assert np.abs(shift - shift[:, :1, :1]).max() < 1e-3
    assert np.abs(shift).max() <= 20
    assert shift.min() < -18 and shift.max() > 18
    assert np.abs(moved[:, :, hips, 0]).max() < 1e-3
    assert np.delete(moved, hips, axis=2).max() == 0


def test_hips_move_along_the_trunk_of_their_frame_if_all_its_joints_are_seen() -> None:
    good = person(3)
    good[:, :, 0] += np.array([0, 50, 300], np.float32)[:, None]
    good[1, PENN.index("left_shoulder", "right_shoulder"), 1] += 40  # a trunk of 60 pixels
    good[2, PENN.index("right_hip")] = 0
    left_hip, *_ = PENN.index("left_hip")
    errors = EstimatorErrors(**{**vars(NONE), "hip_shift": 0.2})
    moved = (apply_estimator_errors(good, PENN, errors, np.random.default_rng(5)) - good)[:, left_hip, :2]
    assert moved[1, 1] == pytest.approx(0.6 * moved[0, 1], rel=1e-4) and abs(moved[0, 1]) > 1
    assert np.abs(moved[:, 0]).max() < 1e-3 and not moved[2].any()


def test_body_size_is_the_torso_or_a_third_of_the_height_if_the_torso_is_unseen() -> None:
    body = person(5)
    body[:, PENN.index("head"), 1] = -220  # 360 pixels from there to the ankles
    body[2:, PENN.index("left_shoulder", "right_shoulder"), 1] += 30  # a torso of 70 pixels in three of five frames
    body[0, PENN.index("left_hip")] = 0
    body[:, PENN.index("left_shoulder"), 2] = 0.2
    assert torso_length(body, PENN) == pytest.approx(70)
    unseen = body + np.array([0, 300, 0], np.float32)
    unseen[:, PENN.index("left_hip")] = 0
    flat = body.copy()
    flat[:, PENN.index("left_shoulder", "right_shoulder"), :2] = flat[:, PENN.index("left_hip", "right_hip"), :2]
    assert torso_length(unseen, PENN) == torso_length(flat, PENN) == pytest.approx(120)
