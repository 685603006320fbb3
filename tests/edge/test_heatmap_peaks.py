"""Peaks, against a reference that goes cell by cell."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.ndimage import maximum_filter

from edge.pose.heatmap_peaks import find_peaks

LEVELS = np.array([0, 0.05, 0.1, 0.25, 0.5, 0.75, 1], np.float32).tolist()
maps = st.tuples(st.integers(1, 3), st.integers(5, 14), st.integers(5, 14)).flatmap(
    lambda shape: arrays(np.float32, shape, elements=st.sampled_from(LEVELS))
)


def mirrored(index, length):
    if index < 0:
        return -index
    return index if index < length else 2 * (length - 1) - index


def reference_peaks(heatmap, threshold=0.1, most=100):
    """The rule for one map: a list of (x, y, value) in 0..1."""
    height, width = heatmap.shape
    found = []
    for i in range(height):
        for j in range(width):
            value = heatmap[i, j]
            around = heatmap[max(i - 2, 0) : i + 3, max(j - 2, 0) : j + 3]
            if value <= np.float32(threshold) or (around > value).any() or len(found) == most:
                continue
            earlier = [
                heatmap[a, b]
                for a in range(max(i - 2, 0), i + 1)
                for b in range(max(j - 2, 0), min(j + 3, width))
                if (a, b) < (i, j)
            ]
            if value in earlier:
                continue
            total = row = column = 0.0
            for di in range(-2, 3):
                for dj in range(-2, 3):
                    weight = float(heatmap[mirrored(i + di, height), mirrored(j + dj, width)])
                    total, row, column = total + weight, row + weight * (i + di), column + weight * (j + dj)
            found.append(((column / total + 0.5) / width, (row / total + 0.5) / height, value))
    return found


@given(maps)
def test_peaks_equal_the_reference(heatmaps):
    peaks = find_peaks(heatmaps)
    for k, heatmap in enumerate(heatmaps):
        mine = slice(peaks.start[k], peaks.start[k + 1])
        expected = np.array(reference_peaks(heatmap)).reshape(-1, 3)
        np.testing.assert_allclose(np.column_stack([peaks.xy[mine], peaks.value[mine]]), expected, atol=1e-5)


@given(maps, st.sampled_from([1, 0.998, 0.6]))
def test_maxima_from_the_network_give_the_same_peaks_within_their_tolerance(heatmaps, nearly):
    # scipy's filter is an independent account of what a network's max pooling and comparison give.
    largest = maximum_filter(heatmaps, size=(1, 5, 5), mode="constant", cval=-np.inf)
    given_maxima = find_peaks(heatmaps, maxima=np.where(heatmaps >= np.float32(nearly) * largest, heatmaps, 0))
    found = find_peaks(heatmaps)
    np.testing.assert_array_equal(given_maxima.xy, found.xy)
    np.testing.assert_array_equal(given_maxima.start, found.start)


def test_of_too_many_peaks_the_first_hundred_by_rows_are_kept():
    heatmaps = np.zeros((2, 60, 60), np.float32)
    heatmaps[0, ::3, ::3] = 1  # 400 peaks
    heatmaps[1, 30, 30] = 1
    peaks = find_peaks(heatmaps)
    assert peaks.start.tolist() == [0, 100, 101]
    assert np.array_equal(peaks.value, np.ones(101))
    np.testing.assert_allclose(peaks.xy[99], [(57 + 0.5) / 60, (12 + 0.5) / 60], atol=1e-6)


@settings(max_examples=30)
@given(st.floats(4, 50), st.floats(4, 50))
def test_the_peak_of_a_drawn_joint_is_found_to_a_tenth_of_a_cell(x, y):
    rows, columns = np.mgrid[:56, :56] + 0.5
    heatmap = np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / (2 * 0.8**2)).astype(np.float32)
    peaks = find_peaks(heatmap[None])
    assert len(peaks.value) >= 1
    assert np.abs(peaks.xy[peaks.value.argmax()] * 56 - [x, y]).max() < 0.1


@pytest.mark.parametrize("around", [-0.05, -0.06, -0.049])
def test_a_peak_cancelled_by_its_neighbours_is_at_the_centre_of_its_cell(around):
    heatmaps = np.zeros((2, 20, 30), np.float32)
    heatmaps[0, 7, 12] = heatmaps[1, 1, 1] = 0.2
    heatmaps[0, [6, 7, 7, 9], [12, 11, 13, 14]] = around  # together -0.2, or nearly
    heatmaps[1, [1, 2, 3, 3], [3, 3, 2, 3]] = around  # in the corner
    peaks = find_peaks(heatmaps)
    np.testing.assert_allclose(peaks.xy, [[12.5 / 30, 7.5 / 20], [1.5 / 30, 1.5 / 20]], atol=1e-6)


@given(st.integers(0, 2**32 - 1))
def test_a_peak_stays_in_its_window_for_any_values_around_it(seed):
    heatmaps = np.round(np.random.default_rng(seed).normal(0, 1, (3, 12, 16)) * 4).astype(np.float32) / 4
    peaks = find_peaks(heatmaps)
    cells = [np.argwhere(is_peak) for is_peak in heatmaps == maximum_filter(heatmaps, (1, 5, 5), mode="nearest")]
    for k, of_map in enumerate(cells):
        found = peaks.xy[peaks.start[k] : peaks.start[k + 1]] * (16, 12) - 0.5
        assert all(np.abs(of_map[:, ::-1] - place).max(axis=1).min() <= 2 + 1e-4 for place in found)


def test_maps_without_peaks_give_none():
    peaks = find_peaks(np.full((18, 56, 56), 0.1, np.float32))
    assert len(peaks.value) == 0 and peaks.start.tolist() == [0] * 19
