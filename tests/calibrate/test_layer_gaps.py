import numpy as np
import pytest

from calibrate.evaluation.layer_gaps import unexplained_variance


def test_a_factor_for_each_channel_loses_nothing() -> None:
    wanted = np.random.default_rng(0).standard_normal((4, 3, 10, 2))
    assert unexplained_variance(wanted, wanted * np.array([2.0, 0.1, 30.0])[:, None, None]) == pytest.approx(
        0, abs=1e-9
    )


def test_noise_of_a_tenth_of_the_variance_loses_about_a_tenth() -> None:
    rng = np.random.default_rng(0)
    wanted = rng.standard_normal((200, 5, 50))
    noisy = wanted + np.sqrt(0.1) * rng.standard_normal(wanted.shape)
    assert unexplained_variance(wanted, noisy) == pytest.approx(0.1 / 1.1, rel=0.05)


def test_what_has_nothing_in_common_is_lost_and_dead_channels_do_not_count() -> None:
    rng = np.random.default_rng(0)
    wanted, other = rng.standard_normal((2, 100, 2, 100))
    wanted[:, 1] = 0
    assert unexplained_variance(wanted, other) > 0.99
    assert unexplained_variance(0 * wanted, other) == 0
