"""Causal normalisation equals clip normalisation of every prefix of the recording."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.contract.layouts import layout
from edge.contract.normalisation import normalise
from edge.contract.preprocess import Preprocessing, clip_tensor, impute

PENN = layout("penn-13")


@settings(max_examples=40)
@given(seed=st.integers(0, 10_000), frames=st.integers(1, 12), unseen=st.floats(0, 1), hips=st.booleans())
def test_each_frame_is_the_last_of_a_clip_that_ends_with_it(seed: int, frames: int, unseen: float, hips: bool) -> None:
    rng = np.random.default_rng(seed)
    keypoints = rng.uniform(0, 400, (frames, 13, 3)).astype(np.float32)
    keypoints[..., 2] = rng.uniform(size=(frames, 13)) >= unseen
    keypoints[:, PENN.index("left_hip", "right_hip"), 2] *= hips
    keypoints[rng.uniform(size=frames) < 0.3, :, 2] = 0
    body, known = impute(keypoints, 3, ahead_frames=0)
    given = normalise(body, known, PENN, "trailing")
    for t in range(frames):
        clip = normalise(body[: t + 1], known[: t + 1], PENN, "trend")
        np.testing.assert_allclose(given[t], clip[-1], rtol=1e-4, atol=1e-3)


def test_a_joint_is_imputed_from_the_past_alone() -> None:
    keypoints = np.zeros((6, 1, 3), np.float32)
    keypoints[[1, 2, 5], 0] = [[10, 0, 1], [20, 0, 1], [90, 0, 1]]
    out, known = impute(keypoints, 2, ahead_frames=0)
    assert known[:, 0].tolist() == [False, True, True, True, True, True]
    assert out[:, 0, 0].tolist() == [0, 10, 20, 15, 20, 90]


def test_what_follows_changes_no_frame_of_a_clip() -> None:
    rng = np.random.default_rng(0)
    keypoints = rng.uniform(0, 400, (16, 13, 3)).astype(np.float32)
    keypoints[..., 2] = rng.uniform(size=(16, 13)) < 0.7  # what was not seen is imputed, from before
    changed, times = keypoints.copy(), np.arange(16) / 15
    changed[9:] += 50
    how = Preprocessing(length_frames=16, centre="trailing")
    one, other = (clip_tensor([(k, times)], PENN, how) for k in (keypoints, changed))
    assert np.array_equal(one[:, :9], other[:, :9]) and not np.allclose(one[:, 9:], other[:, 9:])


@pytest.mark.parametrize("move", [(0, 0), (300, -40)])
def test_neither_place_nor_size_in_the_picture_matters(move: tuple[int, int]) -> None:
    rng = np.random.default_rng(0)
    keypoints, times = rng.uniform(0, 400, (16, 13, 3)).astype(np.float32), np.arange(16) / 15
    moved = keypoints.copy()
    moved[..., :2] = 1.7 * moved[..., :2] + np.array(move)
    how = Preprocessing(length_frames=16, centre="trailing")
    one, other = (clip_tensor([(k, times)], PENN, how) for k in (keypoints, moved))
    np.testing.assert_allclose(one, other, atol=2e-3)
