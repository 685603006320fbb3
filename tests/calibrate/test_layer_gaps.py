import numpy as np
import pytest

from calibrate.evaluation.layer_gaps import unexplained_variance


def test_a_factor_per_channel_leaves_no_unexplained_variance() -> None:
    wanted = np.random.default_rng(0).standard_normal((4, 3, 10, 2))
    assert unexplained_variance(wanted, wanted * np.array([2.0, 0.1, 30.0])[:, None, None]) == pytest.approx(
        0, abs=1e-9
    )


def test_noise_of_10_percent_leaves_about_10_percent_unexplained() -> None:
    rng = np.random.default_rng(0)
    wanted = rng.standard_normal((200, 5, 50))
    noisy = wanted + np.sqrt(0.1) * rng.standard_normal(wanted.shape)
    assert unexplained_variance(wanted, noisy) == pytest.approx(0.1 / 1.1, rel=0.05)


def test_independent_values_are_unexplained_and_dead_channels_ignored() -> None:
    rng = np.random.default_rng(0)
    wanted, other = rng.standard_normal((2, 100, 2, 100))
    wanted[:, 1] = 0
    assert unexplained_variance(wanted, other) > 0.99
    assert unexplained_variance(0 * wanted, other) == 0
