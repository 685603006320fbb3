"""Ranges of least squared error, compared with brute force."""

import numpy as np
import pytest

from calibrate.quantisation.ranges import least_squares_range


def squared_error(values: np.ndarray, limit: float) -> float:
    scale = limit / 127
    return float(((values - np.clip(np.round(values / scale), -128, 127) * scale) ** 2).mean())


@pytest.mark.parametrize("seed", range(4))
def test_the_least_squares_range_matches_brute_force(seed: int) -> None:
    values = np.random.default_rng(seed).laplace(size=200_000)
    counts, edges = np.histogram(np.abs(values), bins=2048)
    found = least_squares_range(counts, edges)
    limits = np.linspace(0.02, 1, 200) * np.abs(values).max()
    best = min(limits, key=lambda limit: squared_error(values, limit))
    assert squared_error(values, found) <= 1.02 * squared_error(values, best)
    assert found < 0.95 * np.abs(values).max()


def test_uniform_values_are_not_clipped() -> None:
    counts, edges = np.histogram(np.random.default_rng(0).uniform(0, 5, 100_000), bins=2048)
    assert least_squares_range(counts, edges) == pytest.approx(5, rel=0.02)
