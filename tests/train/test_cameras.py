"""Virtual cameras against values computed by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import ArrayLike, NDArray

from train.data.cameras import CENTRE_PX, FOCAL_PX, NEAREST_M, View, project, random_view
from train.data.clip import Recording


def pixels(points: ArrayLike, yaw: float = 0.0, pitch: float = 0.0, distance_m: float = 4.0) -> NDArray[np.float32]:
    """Project points (V, 3), all seen, to (V, 2)."""
    joints = np.array(points, np.float32)[None, None]
    return np.asarray(project(joints, np.ones(joints.shape[:3], bool), yaw, pitch, distance_m)[0, 0])


def test_a_pinhole_camera_at_four_metres() -> None:
    # The centre of the four points is the origin. x = 1 at depth 4: 1000 * 1 / 4 = 250 px right of the centre;
    # y = 1: 250 px above; z = 2 is at depth 6, z = -2 at depth 2, both straight ahead.
    got = pixels([[1, 0, 0], [-1, 0, 0], [0, 1, 2], [0, -1, -2]])
    expected: list[list[float]] = [[750, 500], [250, 500], [500, 500 - 1000 / 6], [500, 500 + 1000 / 2]]
    assert np.allclose(got, expected)


def test_a_yaw_of_90_degrees_maps_depth_to_x() -> None:
    got = pixels([[0, 0, 1], [0, 0, -1], [0, 0, 0]], yaw=np.pi / 2)
    assert np.allclose(got[:, 0] - CENTRE_PX, [-FOCAL_PX / 4, FOCAL_PX / 4, 0])


def test_a_camera_from_above_sees_the_far_edge_of_the_floor_higher_in_the_image() -> None:
    far, near = pixels([[0, 0, 1], [0, 0, -1]], pitch=np.radians(20))
    assert far[1] < near[1]
    # Seen from 30 degrees above, what is 1 m higher is half a metre nearer.
    high, low = pixels([[0, 1, 0], [0, -1, 0]], pitch=np.radians(30))
    assert (CENTRE_PX - high[1], low[1] - CENTRE_PX) == pytest.approx((866.025 / 3.5, 866.025 / 4.5))


@given(st.floats(-np.pi, np.pi), st.floats(-0.5, 0.5), st.tuples(*[st.floats(-50, 50)] * 3))
def test_a_translated_recording_projects_to_the_same_pixels(
    yaw: float, pitch: float, offset: tuple[float, float, float]
) -> None:
    points = np.random.default_rng(0).normal(0, 0.5, (20, 3))
    here, there = pixels(points, yaw, pitch), pixels(points + np.array(offset), yaw, pitch)
    assert np.allclose(here, there, atol=0.1)


def test_a_person_who_walks_towards_the_camera_stays_in_front_of_it() -> None:
    # 6 m towards a camera 2.5 m from the middle: it has to be 1.5 m in front of the nearest point.
    path = np.stack([np.zeros(7), np.zeros(7), np.linspace(-3, 3, 7)], axis=-1)
    path[:, 0] = 0.1
    path[0, 0] = -0.6  # keeps the centre at x = 0
    got = pixels(path, distance_m=2.5)
    assert got[0, 0] - CENTRE_PX == pytest.approx(FOCAL_PX * -0.6 / NEAREST_M, abs=0.1)
    assert (np.diff(np.abs(got[1:, 0] - CENTRE_PX)) < 0).all(), "farther is smaller"


def test_unseen_joints_do_not_affect_the_projection() -> None:
    joints = np.random.default_rng(0).normal(0, 0.5, (1, 3, 5, 3)).astype(np.float32)
    seen = np.ones((1, 3, 5), bool)
    seen[0, 1, 2] = False
    other = joints.copy()
    other[0, 1, 2] = -100
    a, b = (project(x, seen, 0.3, 0.1, 0.5) for x in (joints, other))
    assert np.array_equal(a[seen], b[seen])
    assert np.allclose(a[seen], project(joints[seen][None, None], np.ones((1, 1, 14), bool), 0.3, 0.1, 0.5)[0, 0])


def test_a_recording_without_seen_joints_projects_to_finite_values() -> None:
    assert np.isfinite(project(np.zeros((1, 2, 5, 3), np.float32), np.zeros((1, 2, 5), bool), 0, 0, 3)).all()


def test_random_views_cover_their_limits() -> None:
    rng = np.random.default_rng(0)
    views = np.array([random_view(rng, 1.0, 0.3) for _ in range(1000)])
    lowest, highest = np.array([-1.0, -0.1, 2.5]), np.array([1.0, 0.3, 5.0])
    assert (views >= lowest).all() and (views <= highest).all()
    margin = 0.02 * (highest - lowest)
    assert (views.min(axis=0) < lowest + margin).all() and (views.max(axis=0) > highest - margin).all()


def test_roll_rotates_the_image_and_unseen_joints_stay_zero() -> None:
    joints = np.array([[3, 4], [-1, 2], [9, 9]], np.float32)[None, None]
    seen = np.array([True, True, False])[None, None]
    shown = View(roll=np.pi / 2).keypoints(Recording(joints, seen, 30.0))
    np.testing.assert_allclose(shown[0, 0], [[-4, 3, 1], [-2, -1, 1], [0, 0, 0]], atol=1e-6)
