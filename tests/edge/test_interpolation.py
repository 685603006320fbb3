"""Cubic interpolation: exact for smooth movements at any rate, and not used where it could overshoot."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.contract.errors import ConfigError
from edge.contract.preprocess import Preprocessing, resample


def recording(place, times):
    """One joint with x = place(t), always seen."""
    times = np.asarray(times, np.float64)
    keypoints = np.ones((len(times), 1, 3), np.float32)
    keypoints[:, 0, 0], keypoints[:, 0, 1] = place(times), -place(times)
    return keypoints, times


def misses(place, times, at, between):
    """Largest error in x."""
    found = resample(*recording(place, times), at, 0.5, between)
    assert (found[..., 2] > 0).all()
    return np.abs(found[:, 0, 0] - place(at)).max()


@given(
    st.lists(st.floats(-100, 100), min_size=4, max_size=4),
    st.sampled_from([8, 12, 12.5, 25, 29.97]),
    st.integers(4, 12),
)
def test_a_cubic_movement_is_interpolated_exactly(coefficients, fps, frames):
    place = np.polynomial.Polynomial(coefficients)
    times = np.arange(frames) / fps
    at = np.linspace(times[1], times[-2], 50)
    assert misses(place, times, at, "curve") < 1e-3


def test_cubic_interpolation_keeps_a_wrist_swing_that_linear_cuts_off():
    def place(t):
        return 0.5 * np.sin(2 * np.pi * 2 * t)  # to and fro twice a second, a swing of one

    times = np.arange(24) / 12
    at = np.linspace(times[1], times[-2], 400)
    # By hand: half of 1 - cos(2 pi 2 / 24), if the peak is midway between two frames.
    assert misses(place, times, at, "line") == pytest.approx(0.5 * (1 - np.cos(np.pi / 6)), abs=2e-3)
    # Error bound of the cubic: 3/128 of the fourth derivative times the frame interval to the fourth.
    assert misses(place, times, at, "curve") < 3 / 128 * 0.5 * (4 * np.pi) ** 4 / 12**4 < 0.015


def wavy(t):
    return 50 * np.sin(9 * t)


def test_a_joint_unseen_in_one_of_the_four_frames_is_interpolated_linearly():
    keypoints, times = recording(wavy, np.arange(8) / 12)
    keypoints[2, 0] = 0
    line, curve = (resample(keypoints, times, np.arange(8 * 5) / 60, 0.5, way) for way in ("line", "curve"))
    differ = np.flatnonzero((line != curve).any(axis=(1, 2)))
    # Frames 3, 4, 5, 6 are the first four consecutive seen ones: their cubic is between 4 and 5.
    assert differ.min() > 4 * 5 and differ.max() < 6 * 5


@pytest.mark.parametrize("times", [[0, 0.1, 0.4, 0.5, 0.6], [0, 0.6, 1.2, 1.8, 2.4], [0, 0.1, 0.2]])
def test_uneven_frames_gaps_and_short_recordings_are_interpolated_linearly(times):
    keypoints, times = recording(wavy, times)
    at = np.linspace(-0.1, times[-1] + 0.1, 77)
    np.testing.assert_array_equal(resample(keypoints, times, at, 0.5, "curve"), resample(keypoints, times, at, 0.5))


def test_the_first_and_last_interval_and_what_lies_outside_are_not_cubic():
    keypoints, times = recording(wavy, np.arange(6) / 12)
    at = np.array([-0.1, 0.5 / 12, 4.5 / 12, 0.6])
    np.testing.assert_array_equal(resample(keypoints, times, at, 0.5, "curve"), resample(keypoints, times, at, 0.5))


def test_at_the_frames_themselves_nothing_changes():
    keypoints, times = recording(wavy, np.arange(40) / 30)
    np.testing.assert_allclose(resample(keypoints, times, times[::2], 0.5, "curve"), keypoints[::2], atol=1e-4)


def test_causal_preprocessing_refuses_cubic_interpolation():
    with pytest.raises(ConfigError, match="between 'curve' is not valid with centre 'trailing'"):
        Preprocessing(centre="trailing", between="curve")
    with pytest.raises(ConfigError, match="it is line or curve"):
        Preprocessing(between="arc")
