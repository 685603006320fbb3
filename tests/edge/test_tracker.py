"""Tracks: identities through crossings and gaps."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from people import PENN, pose

from edge.contract.errors import ConfigError
from edge.tracking.tracker import Tracker, TrackerConfig


def follow(tracker, frames, fps=30.0):
    """frames: per frame a list of poses. Returns {track id: index of its pose} for each frame."""
    ids = []
    for n, poses in enumerate(frames):
        index = {id(p): i for i, p in enumerate(poses)}
        ids.append({track: index[id(p)] for track, p in tracker.update(poses, n / fps)})
    return ids


def test_a_track_is_confirmed_in_its_third_frame():
    ids = follow(Tracker(PENN), [[pose(10, 10)]] * 5)
    assert ids == [{}, {}, {1: 0}, {1: 0}, {1: 0}]


def test_a_body_seen_for_two_frames_or_flickering_is_never_confirmed():
    ghost = [[pose(10, 10)], [pose(10, 10)], []] * 10
    assert all(not people for people in follow(Tracker(PENN), ghost))


@settings(max_examples=40)
@given(
    speed=st.floats(120, 400),
    height=st.floats(40, 120),
    jitter=st.floats(0, 2.5),
    seed=st.integers(0, 2**16),
)
def test_people_who_cross_keep_their_identities(speed, height, jitter, seed):
    # Two people walk through each other, one a little lower in the frame, as if nearer to the camera.
    rng = np.random.default_rng(seed)
    frames, truth = [], []
    for n in range(round(30 * 900 / speed)):
        x = speed * n / 30
        poses = [pose(x, 100), pose(900 - x, 100 + height)]
        for p in poses:
            p.keypoints[:, :2] += rng.normal(0, jitter, (13, 2))
        order = rng.permutation(2)
        frames.append([poses[i] for i in order])
        truth.append(order)
    owner = {}
    for order, people in zip(truth, follow(Tracker(PENN), frames), strict=True):
        for track, index in people.items():
            assert owner.setdefault(track, order[index]) == order[index]
    assert len(owner) == 2


def test_the_assignment_is_globally_optimal_not_greedy():
    # Both predicted bodies are nearest to the same pose; the first must take the other one.
    tracker = Tracker(PENN, TrackerConfig(birth_hits=1, min_similarity=0.01))
    tracker.update([pose(0, 0), pose(30, 0)], 0.0)
    people = dict(tracker.update([pose(14, 0), pose(40, 0)], 0.1))
    assert people[1].keypoints[0, 0] == 64 and people[2].keypoints[0, 0] == 90


def test_a_track_is_predicted_with_its_velocity_from_the_second_frame_on():
    tracker = Tracker(PENN, TrackerConfig(birth_hits=1, min_similarity=0.6))
    tracker.update([pose(0, 0)], 0.0)
    tracker.update([pose(10, 10)], 0.1)
    # 100 pixels a second to the right and down, and nobody has seen it since.
    tracker.update([], 0.3)
    assert [who for who, _ in tracker.update([pose(60, 60)], 0.6)] == [1]
    # It waits for 0.1 s: the last speed has a weight of 1 - exp(-0.1 / 0.2) = 0.393, so 60.7 pixels a second are left.
    tracker.update([pose(60, 60)], 0.7)
    tracker.update([], 0.9)
    assert [who for who, _ in tracker.update([pose(60 + 30.3, 60 + 30.3)], 1.2)] == [1]


def test_a_track_moves_for_half_a_second_of_a_gap_without_frames():
    tracker = Tracker(PENN, TrackerConfig(birth_hits=1, min_similarity=0.6))
    tracker.update([pose(0, 0)], 0.0)
    tracker.update([pose(10, 0)], 0.1)  # 100 pixels a second
    assert [who for who, _ in tracker.update([pose(60, 0)], 3.1)] == [1]
    # 50 pixels in 3 seconds, which are over: half a second later it is 8 pixels further.
    tracker.update([], 3.3)
    assert [who for who, _ in tracker.update([pose(68, 0)], 3.6)] == [1]


def test_a_body_near_nobody_is_not_given_the_track_that_is_left():
    tracker = Tracker(PENN, TrackerConfig(birth_hits=1))
    tracker.update([pose(0, 0), pose(900, 0)], 0.0)
    # Both are near the first.
    assert [who for who, _ in tracker.update([pose(0, 0), pose(10, 0)], 0.1)] == [1, 3]


def test_a_track_survives_an_occlusion_shorter_than_max_age_while_walking():
    walk = [[pose(4 * n, 100)] for n in range(60)]
    for n in range(20, 40):
        walk[n] = []
    ids = follow(Tracker(PENN), walk)
    assert ids[45] == {1: 0}


def test_after_max_age_a_body_gets_a_new_track_id():
    tracker = Tracker(PENN, TrackerConfig(max_age_s=0.5))
    ids = follow(tracker, [[pose(0, 0)]] * 5 + [[]] * 20 + [[pose(0, 0)]] * 5)
    assert ids[4] == {1: 0} and ids[-1] == {2: 0} and tracker.track_ids == {2}


def test_a_slow_camera_loses_nobody_who_is_in_every_frame():
    for seconds in (0.1, 3.0):  # longer than a track may be unseen
        tracker = Tracker(PENN, TrackerConfig(max_age_s=0, max_blind_s=5))
        ids = follow(tracker, [[pose(0, 0)]] * 4 + [[]] + [[pose(0, 0)]] * 3, 1 / seconds)
        assert ids[:4] == [{}, {}, {1: 0}, {1: 0}] and ids[4:] == [{}, {}, {}, {2: 0}]


def test_age_is_in_seconds_not_in_frames():
    for fps in (5, 60):
        tracker = Tracker(PENN, TrackerConfig(max_age_s=1.0))
        away = [[]] * round(0.8 * fps)
        assert follow(tracker, [[pose(0, 0)]] * 4 + away + [[pose(0, 0)]], fps)[-1] == {1: 0}


def seen_again(after_s, shift=0.0, **config):
    """Track ids in the first frame after a gap without frames."""
    tracker = Tracker(PENN, TrackerConfig(**config))
    for n in range(10):
        tracker.update([pose(0, 0), pose(300, 0)], n / 30)
    return tracker, [who for who, _ in tracker.update([pose(shift, 0), pose(300, 0)], 0.3 + after_s)]


@pytest.mark.parametrize("after_s", [0.9, 3.0, 9.9])
def test_tracks_do_not_age_without_frames(after_s):
    assert seen_again(after_s)[1] == [1, 2]


def test_tracks_age_again_after_a_gap_without_frames():
    tracker, found = seen_again(5.0, shift=150)
    assert found == [2] and tracker.track_ids == {1, 2}
    for n, known in ((14, {1, 2}), (16, {2})):  # the gap counts as half a second
        tracker.update([pose(300, 0)], 5.3 + n / 30)
        assert tracker.track_ids == known


def test_of_two_gaps_without_frames_neither_counts():
    tracker = Tracker(PENN, TrackerConfig(birth_hits=1, max_age_s=1.2))
    for poses, time_s in (([pose(0, 0)], 0.0), ([], 5.0), ([], 9.0)):
        tracker.update(poses, time_s)
    assert tracker.track_ids == {1}


def test_a_gap_without_frames_beyond_max_blind_ends_all_tracks():
    assert seen_again(10.1)[1] == seen_again(3.0, max_blind_s=2.0)[1] == []


@pytest.mark.parametrize(("seen", "found"), [(2, {}), (3, {1: 0})])
def test_poses_of_fewer_than_three_joints_are_ignored(seen, found):
    few = pose(0, 0)
    few.keypoints[seen:, 2] = 0
    assert follow(Tracker(PENN, TrackerConfig(birth_hits=1)), [[few]] * 5) == [found] * 5


@pytest.mark.parametrize(
    "wrong",
    [
        {"min_similarity": 0},
        {"birth_hits": 0},
        {"max_age_s": -1},
        {"max_blind_s": -1},
        *({name: float("nan")} for name in ("min_similarity", "max_age_s", "max_blind_s")),
    ],
)
def test_invalid_values_are_refused(wrong):
    with pytest.raises(ConfigError):
        TrackerConfig(**wrong)


def test_keypoints_from_before_confirmation_are_returned_once():
    tracker, poses = Tracker(PENN), [pose(10 + n, 10) for n in range(4)]
    for n, body in enumerate(poses):
        tracker.update([body], n / 30)
    earlier = tracker.earlier(1)
    assert [time_s for _, time_s in earlier] == [0, 1 / 30]
    np.testing.assert_array_equal([k for k, _ in earlier], [p.keypoints for p in poses[:2]])
    assert tracker.earlier(1) == [] and tracker.earlier(9) == []
