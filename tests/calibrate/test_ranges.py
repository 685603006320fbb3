"""Ranges of activations: the least squared error by brute force, and what outliers do."""

import numpy as np
import pytest

from calibrate.quantisation.ranges import least_squares_range


def squared_error(values: np.ndarray, reach: float) -> float:
    step = reach / 127
    return float(((values - np.clip(np.round(values / step), -128, 127) * step) ** 2).mean())


@pytest.mark.parametrize("seed", range(4))
def test_the_range_of_least_squares_is_that_of_brute_force(seed: int) -> None:
    values = np.random.default_rng(seed).laplace(size=200_000)
    counts, edges = np.histogram(np.abs(values), bins=2048)
    found = least_squares_range(counts, edges)
    reaches = np.linspace(0.02, 1, 200) * np.abs(values).max()
    best = min(reaches, key=lambda reach: squared_error(values, reach))
    assert squared_error(values, found) <= 1.02 * squared_error(values, best)
    assert found < 0.95 * np.abs(values).max()


def test_values_spread_evenly_are_not_clipped() -> None:
    counts, edges = np.histogram(np.random.default_rng(0).uniform(0, 5, 100_000), bins=2048)
    assert least_squares_range(counts, edges) == pytest.approx(5, rel=0.02)
