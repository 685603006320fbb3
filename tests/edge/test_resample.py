"""Resampling: hand-computed values and properties; cubic interpolation is in test_interpolation."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.contract.preprocess import resample


def track(*rows):
    """Keypoints (S, 1, 3) of one joint."""
    return np.array(rows, np.float32)[:, None]


def seconds(*times):
    return np.array(times, np.float64)


def test_between_two_frames_a_joint_is_where_the_line_says():
    out = resample(track([0, 0, 1], [10, 20, 1]), seconds(0, 0.1), seconds(0.025, 0.05, 0.1), 0.5)
    assert np.allclose(out[:, 0], [[2.5, 5, 1], [5, 10, 1], [10, 20, 1]])


def test_a_joint_seen_in_one_neighbour_only_stays_there_with_that_frames_weight():
    out = resample(track([0, 0, 0], [10, 20, 1]), seconds(0, 0.1), seconds(0.075), 0.5)
    assert np.allclose(out[0, 0], [10, 20, 0.75])


def test_outside_the_recording_the_nearest_pose_holds():
    out = resample(track([1, 2, 1], [3, 4, 1]), seconds(5, 5.1), seconds(-3, 4.9, 9), 0.5)
    assert np.allclose(out[:, 0], [[1, 2, 1], [1, 2, 1], [3, 4, 1]])


def test_a_single_frame_gives_its_pose_at_all_times():
    out = resample(track([1, 2, 1]), seconds(5), seconds(4, 5, 5.3), 0.5)
    assert np.allclose(out[:, 0], [[1, 2, 1]] * 3)


def test_joints_inside_a_gap_are_unseen():
    keypoints, times = track([0, 0, 1], [1, 0, 1], [9, 0, 1], [10, 0, 1]), seconds(0, 0.1, 0.9, 1.0)
    out = resample(keypoints, times, seconds(0.1, 0.2, 0.5, 0.8, 0.9, 0.95), 0.5)
    assert np.allclose(out[[0, 4, 5], 0, 0], [1, 9, 9.5])
    assert (out[1:4] == 0).all()


@given(st.integers(0, 2**32 - 1), st.integers(2, 20), st.floats(0.05, 0.4))
def test_resample_never_looks_across_a_gap(seed, count, max_gap_s):
    rng = np.random.default_rng(seed)
    times = np.cumsum(rng.choice([0.03, 0.1, 0.6], count) * rng.uniform(0.9, 1.1, count))
    before = rng.uniform(1, 9, (count, 3, 3)).astype(np.float32)
    gap = int(rng.integers(1, count))
    times[gap:] += max_gap_s  # now longer than is bridged
    after = before.copy()
    after[gap:] = rng.uniform(1, 9, after[gap:].shape)
    at = np.sort(rng.uniform(times[0], times[gap], 30))
    at = at[at < times[gap]]
    assert np.array_equal(resample(before, times, at, max_gap_s), resample(after, times, at, max_gap_s))


@pytest.mark.parametrize("between", ["line", "curve"])
def test_moments_that_are_the_frames_own_give_what_they_give_among_others(between):
    rng = np.random.default_rng(0)
    times, keypoints = np.arange(9) / 15, rng.uniform(1, 9, (9, 13, 3)).astype(np.float32)
    keypoints[rng.random((9, 13)) < 0.3, 2] = 0  # and a place that nobody saw
    among_others = resample(keypoints, times, np.append(times, 0.51), 0.5, between)[:9]
    np.testing.assert_allclose(resample(keypoints, times, times, 0.5, between), among_others, atol=1e-5)


@given(st.integers(0, 2**32 - 1))
def test_a_straight_motion_is_resampled_exactly_at_any_rate(seed):
    rng = np.random.default_rng(seed)
    times = np.sort(rng.uniform(0, 3, 60))
    times[[0, -1]] = 0, 3
    start, speed = rng.normal(0, 10, (2, 5, 2))
    keypoints = np.concatenate([start + speed * times[:, None, None], np.ones((60, 5, 1))], -1).astype(np.float32)
    at = np.linspace(0, 3, 32)
    out = resample(keypoints, times, at, max_gap_s=3)
    assert np.allclose(out[..., :2], start + speed * at[:, None, None], atol=1e-4)
