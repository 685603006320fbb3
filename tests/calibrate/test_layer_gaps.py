from pathlib import Path

import networks
import numpy as np
import pytest

from calibrate.evaluation.layer_gaps import layer_gaps, unexplained_variance


def test_the_layers_are_listed_in_execution_order_and_pooling_and_reshaping_left_out(int8: Path) -> None:
    gaps = layer_gaps(int8.with_name("student.onnx"), int8, networks.samples(4))
    # ReLUs have no name: they are listed by their output's.
    layers = ["stem", "x1", "mix_joints", "spatial", "x2", "temporal", "residual", "x3", "classifier"]
    assert [gap.layer for gap in gaps] == layers
    assert all(0 < gap.lost < 0.01 for gap in gaps)


def test_a_factor_and_an_offset_per_channel_leave_no_unexplained_variance() -> None:
    wanted = np.random.default_rng(0).standard_normal((4, 3, 10, 2))
    given = wanted * np.array([2.0, 0.1, 30.0])[:, None, None] + np.array([5.0, 0.0, -9.0])[:, None, None]
    assert unexplained_variance(wanted, given) == pytest.approx(0, abs=1e-9)


def test_noise_of_10_percent_leaves_about_10_percent_unexplained() -> None:
    rng = np.random.default_rng(0)
    wanted = rng.standard_normal((200, 5, 50))
    noisy = wanted + np.sqrt(0.1) * rng.standard_normal(wanted.shape)
    assert unexplained_variance(wanted, noisy) == pytest.approx(0.1 / 1.1, rel=0.05)


def test_a_quiet_channel_counts_like_a_loud_one_and_a_dead_one_not_at_all() -> None:
    rng = np.random.default_rng(0)
    wanted, other = rng.standard_normal((2, 100, 3, 100))
    wanted[:, 1] /= 100
    wanted[:, 2], other[:, 0] = 0, wanted[:, 0]
    assert unexplained_variance(wanted, other) == pytest.approx(0.5, abs=0.001)
    assert unexplained_variance(0 * wanted, other) == 0
