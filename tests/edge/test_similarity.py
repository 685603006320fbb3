"""Similarity of bodies by COCO's formula worked by hand, and how they move."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from people import PENN, pose

from edge.contract.box import bounding_box
from edge.contract.layouts import LAYOUTS, layout
from edge.tracking.similarity import AREA_OF_BOX, OTHER_SIGMA, Body, displacement, oks, sigmas, similar_pairs


def test_similarity_is_cocos_formula():
    a, b = pose(0, 0).keypoints, pose(0, 0).keypoints
    b[:, 0] += 10
    area = AREA_OF_BOX * 100 * 200
    by_name = {"head": 0.035, "shoulder": 0.079, "elbow": 0.072, "wrist": 0.062, "hip": 0.107, "knee": 0.087}
    each = [math.exp(-100 / (2 * area * (2 * by_name.get(joint.split("_")[-1], 0.089)) ** 2)) for joint in PENN.joints]
    assert oks(Body.of(a), Body.of(b), sigmas(PENN)) == pytest.approx(sum(each) / 13, rel=1e-5)


def test_similarity_is_1_for_the_same_body_0_for_a_distant_one_over_common_joints():
    a, far = pose(0, 0).keypoints, pose(900, 0).keypoints
    half = a.copy()
    half[3:] = 0
    two = a.copy()
    two[2:] = 0
    values = [oks(Body.of(a), Body.of(b), sigmas(PENN)) for b in (a, far, half, two)]
    assert values[0] == pytest.approx(1) and values[1] < 1e-6
    assert values[2] == pytest.approx(1) and values[3] == 0


@given(st.floats(-300, 300), st.floats(-300, 300), st.floats(0.3, 3), st.floats(0.001, 0.99))
def test_gating_drops_only_pairs_below_the_minimum(x, y, scale, least):
    a, b = Body.of(pose(0, 0).keypoints), Body.of(pose(x, y, scale).keypoints)
    similarity = oks(a, b, sigmas(PENN))
    assert similar_pairs([a], [b], sigmas(PENN), least) == ({(0, 0): similarity} if similarity >= least else {})


def crowd(rng, people):
    """Bodies that overlap, each with some joints unseen; the last two have two joints and none."""
    found = [pose(*rng.uniform(0, 150, 2), rng.uniform(0.5, 2)).keypoints for _ in range(people)]
    for keypoints in found:
        keypoints[rng.random(13) < 0.2] = 0
    found[-2][2:], found[-1][:] = 0, 0
    return [Body.of(keypoints) for keypoints in found]


@given(st.integers(0, 2**32 - 1), st.integers(9, 20), st.floats(0.01, 0.9))
@settings(max_examples=30)
def test_gating_a_crowd_drops_only_pairs_below_the_minimum(seed, people, least):
    rng = np.random.default_rng(seed)
    before, after = crowd(rng, people), crowd(rng, people)
    one_by_one = {(i, j): oks(a, b, sigmas(PENN)) for i, a in enumerate(before) for j, b in enumerate(after)}
    similar = {pair: similarity for pair, similarity in one_by_one.items() if similarity >= least}
    assert similar_pairs(before, after, sigmas(PENN), least) == similar


def test_the_sigmas_are_cocos():
    # Nose, eyes, ears, shoulders, elbows, wrists, hips, knees, ankles: from its evaluation code.
    coco = [26, 25, 25, 35, 35, 79, 79, 72, 72, 62, 62, 107, 107, 87, 87, 89, 89]
    assert [1000 * sigma for sigma in sigmas(layout("coco-17"))] == pytest.approx(coco)


@pytest.mark.parametrize("name", LAYOUTS)
def test_every_joint_of_every_layout_has_a_sigma(name):
    assert len(sigmas(layout(name))) == len(layout(name))


def test_a_forearm_is_no_ear():
    vicon = layout("vicon-39")
    assert sigmas(vicon)[vicon.joints.index("left_forearm")] == OTHER_SIGMA


@pytest.mark.parametrize("seen", [13, 12, 3, 1])
def test_a_body_moves_by_the_median_of_its_joints(seen):
    rng = np.random.default_rng(seen)
    before, after = (rng.uniform(0, 300, (13, 3)).astype(np.float32) for _ in range(2))
    after[seen:, 2] = 0
    before[: seen // 3, 2] = 0
    expected = np.median((after - before)[seen // 3 : seen, :2], axis=0)
    assert displacement(Body.of(before), Body.of(after)) == pytest.approx(expected, rel=1e-5)


@given(st.integers(0, 2**32 - 1), st.floats(-500, 500), st.floats(-500, 500))
def test_a_body_that_moved_is_the_body_of_the_moved_keypoints(seed, dx, dy):
    keypoints = np.random.default_rng(seed).uniform(-1, 300, (13, 3)).astype(np.float32)
    keypoints[:, 2] = np.maximum(keypoints[:, 2] - 150, 0)
    keypoints[0, 2] = 1
    body, moved = Body.of(keypoints).moved(dx, dy), keypoints + np.array([dx, dy, 0])
    np.testing.assert_allclose(body.joints, moved, atol=1e-3)
    assert body.box == pytest.approx(bounding_box(moved), abs=1e-3) and body.seen == (keypoints[:, 2] > 0).sum()
