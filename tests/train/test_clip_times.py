"""Timestamps of a recording's frames on the clip's time axis."""

import numpy as np
import pytest

from train.data.clip import Recording, SkeletonClip
from train.data.clip_times import align_recording, place_window, stretch_to_clip

WINDOW_S = 15 / 16


def recording(frames: int) -> SkeletonClip:
    return SkeletonClip("a", 0, np.zeros((1, frames, 1, 2), np.float32), np.ones((1, frames, 1), bool), 32.0, True)


def test_the_whole_recording_is_stretched_to_the_clip() -> None:
    for frames in (2, 16, 100):
        np.testing.assert_allclose(stretch_to_clip(recording(frames), WINDOW_S)[[0, -1]], [0, WINDOW_S])
    assert stretch_to_clip(recording(1), WINDOW_S).tolist() == [0]


def test_windows_are_centred_and_training_windows_are_anywhere() -> None:
    # 65 frames at 32 Hz are 2 s: 17/16 s more than the window.
    assert place_window(recording(65), WINDOW_S, 0.0, None)[0] == pytest.approx(-17 / 32)
    rng = np.random.default_rng(0)
    starts = np.array([place_window(recording(65), WINDOW_S, 0.0, rng)[0] for _ in range(500)])
    assert starts.min() >= -17 / 16 and starts.max() <= 0
    assert starts.min() < -0.95 * 17 / 16 and starts.max() > -0.05 * 17 / 16


def test_a_recording_shorter_than_the_window_lies_inside_it() -> None:
    # 9 frames at 32 Hz are 1/4 s, in a window of 15/16 s: 11/32 s of padding on either side.
    assert place_window(recording(9), WINDOW_S, 0.0, None)[0] == pytest.approx(11 / 32)


def test_tempo_changes_the_speed_of_training_recordings_only() -> None:
    rng = np.random.default_rng(0)
    lasts = np.array([np.ptp(place_window(recording(33), WINDOW_S, 0.2, rng)) for _ in range(300)])
    assert lasts.min() >= 1 / 1.2 and lasts.max() <= 1 / 0.8
    assert lasts.min() < 0.86 and lasts.max() > 1.2
    assert np.ptp(place_window(recording(33), WINDOW_S, 0.2, None)) == pytest.approx(1.0)


def test_a_second_recording_begins_and_ends_with_the_first() -> None:
    poor = Recording(np.zeros((1, 5, 1, 2), np.float32), np.ones((1, 5, 1), bool), 10.0)
    np.testing.assert_allclose(align_recording(np.array([1.0, 1.5, 3.0]), poor), [1, 1.5, 2, 2.5, 3])
    # A single good frame has no duration: the second recording's own rate is used.
    np.testing.assert_allclose(align_recording(np.array([2.0]), poor), [2, 2.1, 2.2, 2.3, 2.4])
    assert align_recording(np.array([2.0]), Recording(poor.joints[:, :1], poor.seen[:, :1], 10.0)).tolist() == [2]
