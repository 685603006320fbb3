"""Clips of the ring buffer equal clips of the whole recording."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.contract.errors import DataError
from edge.contract.layouts import convert, layout
from edge.contract.preprocess import Preprocessing, clip_tensor
from edge.recognition.clip_buffer import ClipBuffer

LAYOUT = layout("penn-13")
HOW = Preprocessing(length_frames=8, fps=10.0, max_gap_s=0.5)  # 0.7 s
CURVED = replace(HOW, between="curve")


def recording(seconds, fps, seed=0, jitter=0.0):
    rng = np.random.default_rng(seed)
    times = np.arange(round(seconds * fps)) / fps
    times = times + jitter * rng.uniform(-0.4, 0.4, len(times)) / fps
    keypoints = rng.uniform(50, 400, (len(times), 13, 3)).astype(np.float32)
    keypoints[..., 2] = rng.uniform(0, 1, keypoints.shape[:2]) > 0.2
    return keypoints, times


@pytest.mark.parametrize("how", [HOW, CURVED], ids=["line", "curve"])
@pytest.mark.parametrize(("fps", "jitter"), [(30, 0), (29.97, 0), (25, 1), (12, 1), (7, 0)])
def test_every_clip_equals_the_one_made_from_the_whole_recording(fps, jitter, how):
    keypoints, times = recording(3, fps, jitter=jitter)
    buffer = ClipBuffer(LAYOUT, how)
    for n, (body, time_s) in enumerate(zip(keypoints, times, strict=True)):
        buffer.push(body, float(time_s))
        whole = clip_tensor([(keypoints[: n + 1], times[: n + 1])], LAYOUT, how)
        np.testing.assert_array_equal(buffer.clip(), whole)


@pytest.mark.parametrize("how", [HOW, CURVED], ids=["line", "curve"])
@pytest.mark.parametrize("fps", [30, 12, 7])
def test_a_clip_may_end_a_little_before_the_last_frame(fps, how):
    keypoints, times = recording(3, fps)
    buffer = ClipBuffer(LAYOUT, how)
    for n, (body, time_s) in enumerate(zip(keypoints, times, strict=True)):
        buffer.push(body, float(time_s))
        end_s = float(time_s) - 0.45 * (n % 3) / 2
        if end_s > 0:
            whole = clip_tensor([(keypoints[: n + 1], times[: n + 1])], LAYOUT, how, end_s)
            np.testing.assert_array_equal(buffer.clip(end_s=end_s), whole)


def test_converting_at_once_equals_converting_each_frame():
    given, rng = layout("blazepose-33"), np.random.default_rng(3)
    assert not set(LAYOUT.joints) <= set(given.joints), "a joint is made of several"
    late, early = ClipBuffer(LAYOUT, HOW, given), ClipBuffer(LAYOUT, HOW)
    for n in range(40):
        body = rng.uniform(50, 400, (33, 3)).astype(np.float32)
        body[..., 2] = rng.uniform(0, 1, 33) * (rng.uniform(0, 1, 33) > 0.3)
        late.push(body, n / 30)
        early.push(convert(body, given, LAYOUT), n / 30)
        np.testing.assert_array_equal(late.clip(), early.clip())
        np.testing.assert_array_equal(late.resampled(n / 30), early.resampled(n / 30))
    for (time_s, keypoints), (expected_s, expected) in zip(late.since(1.0), early.since(1.0), strict=True):
        assert time_s == expected_s
        np.testing.assert_array_equal(keypoints, expected)


def test_keypoints_since_a_time_are_in_order():
    keypoints, times = recording(0.5, 10)
    buffer = ClipBuffer(LAYOUT, HOW)
    for body, time_s in zip(keypoints, times, strict=True):
        buffer.push(body, float(time_s))
    for since, expected in ((None, times), (float(times[1]), times[2:]), (9.0, [])):
        assert [time_s for time_s, _ in buffer.since(since)] == list(expected)
    np.testing.assert_array_equal([body for _, body in buffer.since(None)], keypoints)


def test_resampled_keypoints_are_unseen_outside_the_buffer():
    keypoints, times = recording(0.4, 10)
    keypoints[..., 2] = 1
    buffer = ClipBuffer(LAYOUT, HOW)
    for body, time_s in zip(keypoints, times, strict=True):
        buffer.push(body, float(time_s))
    # Eight moments from -0.2 to 0.5 s: two before the four frames, and two after them.
    found = buffer.resampled(0.5)
    np.testing.assert_allclose(found[2:6], keypoints, atol=1e-3)
    assert found.shape == (8, 13, 3) and not found[[0, 1, 6, 7], :, 2].any()


def test_memory_is_bounded_for_a_recording_of_any_length():
    keypoints, times = recording(20, 30)
    buffer = ClipBuffer(LAYOUT, HOW)
    for body, time_s in zip(keypoints, times, strict=True):
        buffer.push(body, float(time_s))
    assert len(buffer._entries) <= (0.7 + 0.5) * 30 + 3


def test_fill_is_the_observed_time():
    buffer = ClipBuffer(LAYOUT, HOW)
    assert buffer.fill == 0
    body = np.ones((13, 3), np.float32)
    fills = []
    for n in range(22):
        buffer.push(body, n / 30)
        fills.append(buffer.fill)
    assert fills[0] == 0 and fills[7] == pytest.approx(7 / 30 / 0.7, abs=1e-5) and fills[-1] == 1.0


@given(st.lists(st.sampled_from([1 / 30, 0.1, 0.51, 0.6, 0.9]), max_size=60))
def test_time_out_of_view_does_not_count_as_observed(steps):
    buffer, body = ClipBuffer(LAYOUT, HOW), np.ones((13, 3), np.float32)
    times = np.cumsum([12345.6, *steps])
    for time_s in times:
        buffer.push(body, float(time_s))
    # Of each interval between two frames, if it is not longer than max_gap_s, the part within the clip's 0.7 s.
    inside = np.diff(np.maximum(times, times[-1] - 0.7))
    assert buffer.fill == pytest.approx(inside[np.diff(times) <= 0.5].sum() / 0.7, abs=1e-5)
    assert buffer.fill == 1 or (np.diff(times) > 0.5)[inside > 0].any() or times[-1] - times[0] < 0.7
    assert len(buffer._gaps) <= 5


def test_an_interpolated_gap_counts_as_observed():
    buffer = ClipBuffer(LAYOUT, HOW)
    for time_s in (0.0, 0.5):
        buffer.push(np.ones((13, 3), np.float32), time_s)
    assert buffer.fill == pytest.approx(0.5 / 0.7, abs=1e-5) and (buffer.clip()[2, 3:] > 0.99).all()


def test_an_empty_buffer_has_no_clip():
    with pytest.raises(DataError):
        ClipBuffer(LAYOUT, HOW).clip()
