"""From keypoints to the clip tensor: hand-computed values, properties and a slow reference."""

from typing import get_args

import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from edge.contract.errors import DataError
from edge.contract.layouts import layout
from edge.contract.normalisation import Centre, normalise
from edge.contract.preprocess import Preprocessing, clip_tensor, impute
from train.data.cameras import project
from train.data.generated.kinematic import CLASSES, FPS, make_kinematic

PENN = layout("penn-13")
HOW = Preprocessing()


def moving_person(times_s, seed=0):
    """Keypoints (S, 13, 3) of a person whose joints swing at up to 1 Hz, torso about 100 pixels."""
    rng = np.random.default_rng(seed)
    x = [0, 30, -30, 50, -50, 55, -55, 20, -20, 22, -22, 22, -22]
    y = [-150, -100, -100, -50, -50, 0, 0, 0, 0, 80, 80, 160, 160]
    still = np.stack([x, y], axis=-1)
    hz, shift = rng.uniform(0.2, 1.0, (13, 2)), rng.uniform(0, 6, (13, 2))
    swing = 15 * np.sin(2 * np.pi * hz * np.asarray(times_s)[:, None, None] + shift)
    xy = still + swing + [400, 300]
    return np.concatenate([xy, np.ones((len(times_s), 13, 1))], axis=-1).astype(np.float32)


# Imputation


def test_an_unseen_joint_is_the_mean_of_three_frames_either_side():
    keypoints = np.zeros((10, 1, 3), np.float32)
    keypoints[[0, 1, 4, 7], 0] = [[100, 0, 1], [10, 1, 1], [20, 5, 1], [60, 9, 1]]
    out, known = impute(keypoints, 3, 3)
    # Frame 2 looks at 0..5: (100 + 10 + 20) / 3. Frame 5 at 2..8: (20 + 60) / 2. Frame 9 at 6..9: 60.
    assert np.allclose(out[[2, 5, 9], 0, :2], [[130 / 3, 2], [40, 7], [60, 9]])
    assert (out[[2, 5, 9], 0, 2] == 0).all()
    assert np.array_equal(out[[0, 1, 4, 7]], keypoints[[0, 1, 4, 7]])
    assert known.all()


def test_what_was_not_seen_for_long_stays_unknown():
    keypoints = np.zeros((12, 1, 3), np.float32)
    keypoints[0, 0] = [5, 5, 1]
    out, known = impute(keypoints, 3, 3)
    assert known[:, 0].tolist() == [True] * 4 + [False] * 8
    assert (out[4:] == 0).all()


# Normalisation


def body(torso=100.0, hips=(0.0, 0.0)):
    """One upright penn-13 body (13, 3) around its hips."""
    x = np.zeros((13, 3), np.float32)
    x[:, 2] = 1
    x[1:3, 1] = -torso
    x[0, 1] = -1.5 * torso
    x[11:13, 1] = 1.6 * torso
    x[:, :2] += hips
    return x


def normalised(keypoints, centre="trend"):
    return normalise(keypoints, keypoints[..., 2] > 0, PENN, centre)


def test_the_torso_has_length_one_and_the_hips_are_the_origin():
    out = normalised(np.stack([body(torso=80, hips=(300, 200))] * 4))
    assert np.allclose(out[:, 7:9, :2], 0, atol=1e-6)
    assert np.allclose(out[:, 1:3, :2], [0, -1]) and np.allclose(out[:, 0, :2], [0, -1.5])


def test_walking_through_the_picture_is_taken_out_but_a_jump_is_not():
    walk = np.stack([body(hips=(10 * t, 3 * t)) for t in range(9)])
    assert np.allclose(normalised(walk), normalised(np.stack([body()] * 9)), atol=1e-5)
    jump = np.stack([body(hips=(0, -50 if t == 4 else 0)) for t in range(9)])
    out = normalised(jump)
    assert out[4, 7, 1] - out[0, 7, 1] == pytest.approx(-0.5)


def test_centring_on_the_clip_keeps_the_path():
    walk = np.stack([body(hips=(10 * t, 0)) for t in range(9)])
    assert np.allclose(normalised(walk, "clip")[:, 7, 0], np.arange(-4, 5) * 0.1, atol=1e-6)


def test_without_hips_the_middle_of_what_is_known_is_the_root_and_height_gives_the_size():
    x = np.stack([body(hips=(50, 50))] * 3)
    x[:, 7:9] = 0
    # Known: head at y = -100, shoulders at -50, ankles at 210, arms and knees at 50; 310 px tall.
    out = normalised(x)
    middle = (-100 - 50 * 2 + 210 * 2 + 50 * 6) / 11
    assert np.allclose(out[:, 0, 1], (-100 - middle) / (310 / 3), atol=1e-5)
    assert (out[:, 7:9] == 0).all()


def test_nobody_known_is_all_zeros():
    unseen = np.full((5, 13, 3), (7, 7, 0), np.float32)
    assert not any(normalise(unseen, np.zeros((5, 13), bool), PENN, centre).any() for centre in get_args(Centre))


finite = st.floats(-2000, 2000)


@given(st.integers(0, 2**32 - 1), finite, finite, st.floats(0.05, 20), st.sampled_from(["trend", "clip"]))
def test_place_and_size_in_the_picture_do_not_matter(seed, dx, dy, scale, centre):
    rng = np.random.default_rng(seed)
    x = moving_person(np.arange(12) / 15, seed)
    x[rng.random(x.shape[:2]) < 0.2] = 0
    moved = x.copy()
    moved[..., :2] = x[..., :2] * scale + [dx, dy]
    known = x[..., 2] > 0
    assert np.allclose(normalise(x, known, PENN, centre), normalise(moved, known, PENN, centre), atol=2e-3)


# The whole pipeline


def test_a_clip_has_the_shape_of_st_gcn_and_marks_imputed_joints():
    times = np.arange(62) / 30
    x = moving_person(times)
    x[41, 5] = 0
    clip = clip_tensor([(x, times), (moving_person(times, 1), times)], PENN, HOW)
    assert clip.shape == (3, 32, 13, 2) and clip.dtype == np.float32
    assert set(np.unique(clip[2, :, :5])) == {1.0}
    assert clip[2, :, 5, 0].min() < 1 and (clip[:2, :, 5, 0] != 0).all()


@given(st.integers(0, 2**32 - 1))
def test_the_scale_of_an_estimators_scores_does_not_matter(seed):
    times = np.arange(40) / 15
    x = moving_person(times, seed)
    scored = x.copy()
    scored[..., 2] *= np.random.default_rng(seed).uniform(0.01, 1, x.shape[:2])
    assert np.array_equal(clip_tensor([(x, times)], PENN, HOW), clip_tensor([(scored, times)], PENN, HOW))


@pytest.mark.parametrize(("between", "bends"), [("line", 0.01), ("curve", 0.0008)])
@pytest.mark.parametrize("slow_fps", [12, 15, 24])
def test_a_slow_and_a_fast_camera_give_nearly_the_same_clip(slow_fps, between, bends):
    how, clips = Preprocessing(between=between), []
    for fps in (slow_fps, 60):
        times = np.arange(-1, how.duration_s + 2 / fps, 1 / fps)
        clips.append(clip_tensor([(moving_person(times), times)], PENN, how, end_s=how.duration_s))
    # A 15 px swing at 1 Hz bends by at most 15 (2 pi)^2 / (8 fps^2) px between frames: 0.005 torsos at 12 fps. A cubic
    # misses at most 3 / 128 * 15 (2 pi)^4 / fps^4 px of it: 0.0003.
    assert np.abs(clips[0] - clips[1]).max() < bends


@pytest.mark.parametrize("action", CLASSES)
def test_a_walk_or_a_jump_filmed_at_15_and_30_frames_a_second_gives_nearly_the_same_clip(action):
    data = make_kinematic(1, seed=4)
    clip = next(c for c in data.clips if data.classes[c.label] == action)
    xy = project(clip.joints, clip.seen, 0.3, 0.1, 4)[0]
    fast = np.concatenate([xy, np.ones((*xy.shape[:2], 1))], axis=-1).astype(np.float32)
    times, kinect = np.arange(len(fast)) / FPS, layout("kinect-20")
    one = clip_tensor([(fast, times)], kinect, HOW, end_s=2.1)
    other = clip_tensor([(fast[::2], times[::2])], kinect, HOW, end_s=2.1)
    assert np.abs(one - other).mean() < 0.02


def test_the_clip_ends_when_asked_and_by_default_with_the_last_frame():
    times = np.arange(90) / 30
    x = moving_person(times)
    until_two = clip_tensor([(x, times)], PENN, HOW, end_s=2.0)
    assert np.allclose(until_two, clip_tensor([(x[:61], times[:61])], PENN, HOW), atol=1e-5)


@given(st.integers(0, 2**32 - 1), st.floats(-1e5, 1e5))
def test_when_the_recording_began_does_not_matter(seed, start_s):
    times = np.arange(40) / 15
    x = moving_person(times, seed)
    here, there = (clip_tensor([(x, times + s)], PENN, HOW) for s in (0, start_s))
    assert np.allclose(here, there, atol=1e-4)


def slow_reference(keypoints, times, how):
    """The three documented steps, frame by frame and joint by joint; times are multiples of 0.01 s."""
    frames, joints = how.length_frames, keypoints.shape[1]
    at = [times[-1] - (frames - 1 - t) / how.fps for t in range(frames)]
    sampled = np.zeros((frames, joints, 3))
    for t, moment in enumerate(at):
        later = [s for s in range(len(times)) if times[s] >= moment]
        after = later[0] if later else len(times) - 1
        before = max(after - 1, 0)
        outside = not later or times[0] >= moment
        near = [s for s in (before, after) if abs(times[s] - moment) < 1e-9]
        if outside or near:
            around = {after if outside else near[0]: 1.0}
        elif times[after] - times[before] > how.max_gap_s:
            around = {}
        else:
            share = (moment - times[before]) / (times[after] - times[before])
            around = {before: 1 - share, after: share}
        for v in range(joints):
            seen = {s: w for s, w in around.items() if keypoints[s, v, 2] > 0}
            if total := sum(seen.values()):
                sampled[t, v, :2] = sum(w * keypoints[s, v, :2].astype(float) for s, w in seen.items()) / total
                sampled[t, v, 2] = total

    filled, known = sampled.copy(), np.zeros((frames, joints), bool)
    for t in range(frames):
        for v in range(joints):
            near = range(max(0, t - how.impute_window_frames), min(frames, t + how.impute_window_frames + 1))
            seen = [sampled[s, v, :2] for s in near if sampled[s, v, 2] > 0]
            known[t, v] = bool(seen)
            if seen and sampled[t, v, 2] == 0:
                filled[t, v, :2] = np.mean(seen, axis=0)

    hips = [t for t in range(frames) if known[t, 7] and known[t, 8]]
    trunk = [t for t in hips if known[t, 1] and known[t, 2]]
    root = {t: (filled[t, 7, :2] + filled[t, 8, :2]) / 2 for t in hips}
    assume(len(hips) > 1)  # one point is no line, none no root: other tests
    lengths = [np.linalg.norm((filled[t, 1, :2] + filled[t, 2, :2]) / 2 - root[t]) for t in trunk]
    size = np.median(lengths) if lengths else np.ptp(filled[known][:, 1]) / 3
    line = [np.polyfit(hips, [root[t][axis] for t in hips], 1) for axis in (0, 1)]
    out = np.zeros((3, frames, joints))
    for t in range(frames):
        for v in range(joints):
            out[2, t, v] = filled[t, v, 2]
            if known[t, v]:
                for axis in (0, 1):
                    out[axis, t, v] = (filled[t, v, axis] - np.polyval(line[axis], t)) / size
    return out


@given(st.integers(0, 2**32 - 1), st.floats(0, 0.5))
@example(29192, 0.5)  # shoulders and hips are never known together
@settings(max_examples=20)
def test_the_clip_is_as_documented(seed, missing):
    rng = np.random.default_rng(seed)
    times = np.cumsum(rng.choice([0.03, 0.08, 0.7], 45, p=[0.5, 0.45, 0.05]))
    x = moving_person(times, seed)
    x[rng.random(x.shape[:2]) < missing] = 0
    assert np.allclose(clip_tensor([(x, times)], PENN, HOW)[..., 0], slow_reference(x, times, HOW), atol=1e-4)


@given(arrays.arrays(np.float32, (6, 13, 3), elements=st.floats(0, 2000, width=32)))
def test_a_clip_is_finite_whatever_the_keypoints(keypoints):
    assert np.isfinite(clip_tensor([(keypoints, np.arange(6) / 15)], PENN, HOW)).all()


def test_the_recordings_given_are_left_as_they_were():
    times = np.arange(40) / 15
    x = moving_person(times)
    before = x.copy()
    clip_tensor([(x, times)], PENN, HOW)
    assert np.array_equal(x, before)


@pytest.mark.parametrize(
    ("keypoints", "times", "says"),
    [
        (np.zeros((0, 13, 3), np.float32), np.zeros(0), "empty"),
        (np.zeros((2, 17, 3), np.float32), np.array([0, 1], float), "layout penn-13"),
        (np.zeros((2, 13, 2), np.float32), np.array([0, 1], float), "layout penn-13"),
        (np.zeros((3, 13, 3), np.float32), np.array([0, 1], float), "2 times"),
        (np.full((2, 13, 3), np.nan, np.float32), np.array([0, 1], float), "NaN"),
        (np.zeros((2, 13, 3), np.float32), np.array([0, np.inf], np.float64), "infinite"),
        (np.zeros((3, 13, 3), np.float32), np.array([0, 1, 1], float), "must increase"),
    ],
)
def test_a_recording_that_cannot_be_a_clip_is_a_data_error(keypoints, times, says):
    with pytest.raises(DataError, match=says):
        clip_tensor([(keypoints, times)], PENN, HOW)


def test_the_span_of_a_clip():
    assert Preprocessing(length_frames=31, fps=15).duration_s == pytest.approx(2.0)
