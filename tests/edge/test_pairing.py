"""Pairs of interacting people, in scenes worked out by hand, and the clips of a student of two bodies."""

from dataclasses import replace

import numpy as np
import pytest
import tiny_bundle
from parts import action_stage, moving_body, pose_result
from people import person

from edge.contract.bundle import read_bundle
from edge.contract.layouts import convert, layout
from edge.contract.preprocess import Preprocessing, clip_tensor
from edge.engines.engine import TensorSpec
from edge.recognition.clip_buffer import ClipBuffer
from edge.recognition.pairing import closeness, most_interacting, paired_clips
from edge.recognition.recogniser import Recogniser

T = 8


def body(x, y=60.0, scale=1.0):
    """(T, 13, 3): a body 100 wide and 200 high that stands still."""
    return np.repeat(person(x=x, y=y, scale=scale).pose.keypoints[None], T, axis=0)


def test_closeness_is_the_distance_of_the_nearest_joints_in_heights():
    # Wrists of the one end at x 100, those of the other begin at 150: a gap of 50, heights of 200.
    assert closeness(body(0), body(150)) == pytest.approx(0.25)
    # Of a body half as large the left wrist, at 150, 115, is nearest to the right elbow at 90, 140: 65 pixels.
    # The larger body's height counts.
    assert closeness(body(0), body(150, scale=0.5)) == pytest.approx(65 / 200)
    assert closeness(body(150, scale=0.5), body(0)) == pytest.approx(65 / 200)
    # Lying people have the same heights.
    assert closeness(body(0)[..., [1, 0, 2]], body(150)[..., [1, 0, 2]]) == pytest.approx(0.25)


def test_the_two_nearest_people_are_a_pair_unless_they_are_far_apart():
    people = {1: body(0), 4: body(130), 7: body(500)}
    assert most_interacting(people, people) == (1, 4)
    assert most_interacting({1: body(0), 7: body(290)}, {1, 7}) == (1, 7)  # 190 pixels, not yet a height
    assert most_interacting({1: body(0), 7: body(310)}, {1, 7}) is None
    assert most_interacting({1: body(0)}, {1}) is None and most_interacting({}, {}) is None


def test_among_limits_the_pairs():
    people = {1: body(0), 4: body(130), 5: body(250)}  # gaps of 30 and of 20 pixels
    assert most_interacting(people, people) == (4, 5)
    assert most_interacting(people, among={1}) == (1, 4)
    assert most_interacting(people, among={9}) is None


def test_people_not_seen_together_are_not_a_pair():
    first, second = body(0), body(120)
    first[: T - 2, :, 2] = 0
    assert closeness(first, second) == float("inf")
    # Of three frames together it is their mean: gaps of 20, 40 and 60 pixels, heights of 200.
    first[T - 3, :, 2] = 1
    second[T - 3 :, :, 0] += np.array([0, 20, 40])[:, None]
    assert closeness(first, second) == pytest.approx(40 / 200)


def test_unseen_joints_are_ignored():
    near = body(300)
    near[:, 3], near[:, 4] = (1, 1, 0), (9999, 9999, 0)  # the elbows
    assert closeness(body(0), near) == closeness(near, body(0)) == pytest.approx(1)


def test_a_single_joint_has_a_height_of_a_pixel():
    hands = [body(0), body(150)]
    for hand in hands:
        hand[:, [joint for joint in range(13) if joint != 5], 2] = 0
    assert closeness(*hands) == pytest.approx(150)


def test_the_second_body_is_the_nearest_person_of_the_clips_own_period():
    """Two others are nearer to each other, but no decision about them is due; a third was near before."""
    penn, how, times = layout("penn-13"), Preprocessing(), np.arange(66) / 30
    later = times > 1
    shifts = {1: 0 * times, 2: 200 + 0 * times, 3: 130 + 2000 * later, 4: 3000 + 0 * times, 5: 3010 + 0 * times}
    recordings, buffers = {}, {}
    for track_id, x in shifts.items():
        recordings[track_id] = np.stack([body(at + 10 * time_s)[0] for at, time_s in zip(x, times, strict=True)])
        buffers[track_id] = ClipBuffer(penn, how)
        for keypoints, time_s in zip(recordings[track_id], times, strict=True):
            buffers[track_id].push(keypoints, float(time_s))
    end_s = 2.0  # before the last frame

    def clip(*members):
        return clip_tensor([(recordings[n], times) for n in members], penn, how, end_s)

    for bodies, members in ((2, (1, 2)), (1, (1,))):
        (given,) = paired_clips(buffers, [1], end_s, bodies)
        np.testing.assert_allclose(given, clip(*members), atol=1e-6)


@pytest.fixture
def recorded(tmp_path):
    """A bundle whose student reads two bodies, and the clips that it is given."""
    bundle = read_bundle(tiny_bundle.make(tmp_path))
    bundle = replace(bundle, manifest=replace(bundle.manifest, input_shape=(1, 3, 32, 13, 2)))
    given = []

    class Recording:
        inputs = (TensorSpec("clip", (None, 3, 32, 13, 2), np.dtype(np.float32)),)
        outputs = (TensorSpec("logits", (None, 4), np.dtype(np.float32)),)

        def run(self, tensors):
            given.append(tensors["clip"])
            return {"logits": np.zeros((len(tensors["clip"]), 4), np.float32)}

        def describe(self):
            return "engine of this test"

    return bundle, action_stage(bundle, open_recogniser=lambda: Recogniser(bundle, Recording()), hz=1000), given


def test_a_student_of_two_bodies_gets_the_pair_and_the_third_person_alone(recorded):
    bundle, stage, given = recorded
    trt, bodies = layout("trt_pose-18"), []
    for n in range(70):
        bodies.append([moving_body(n, x=100), moving_body(2 * n, x=1600), moving_body(3 * n, x=260)])
        stage.process(pose_result(n, n / 30, bodies[-1]))
    times = np.arange(70) / 30
    keypoints = [convert(np.stack([frame[k] for frame in bodies]), trt, bundle.layout) for k in range(3)]
    how = bundle.manifest.preprocessing

    def clip(*members):
        return clip_tensor([(keypoints[k], times) for k in members], bundle.layout, how)

    first, far, third = given[-1]
    np.testing.assert_allclose(first, clip(0, 2), atol=1e-6)
    np.testing.assert_allclose(third, clip(2, 0), atol=1e-6)
    np.testing.assert_allclose(far[..., :1], clip(1), atol=1e-6)
    assert not far[..., 1].any()
