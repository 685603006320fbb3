"""Rates over a run."""

from itertools import pairwise

import numpy as np
import pytest
import torch

from train.optimiser import Optimiser


def test_the_releases_schedule_at_its_own_55_epochs() -> None:
    settings = Optimiser(epochs=55, learning_rate=0.1)
    rates = [settings.learning_rate_at(epoch / 55) for epoch in range(55)]
    expected = [0.1] * 30 + [0.01] * 10 + [0.001] * 10 + [0.0001] * 5
    assert rates == pytest.approx(expected)


def test_two_steps_of_the_releases_optimiser_by_hand() -> None:
    # Nesterov momentum 0.9: v = 1, step 0.1 (1 + 0.9 v) = 0.19. Then the gradient has half the weight, -0.095, added:
    # v = 0.9 + 0.905, step 0.1 (0.905 + 0.9 v).
    parameter = torch.nn.Parameter(torch.zeros(1))
    optimiser = Optimiser(learning_rate=0.1, weight_decay=0.5).build([parameter])
    parameter.grad = torch.ones(1)
    for expected in (-0.19, -0.19 - 0.25295):
        optimiser.step()
        assert float(parameter.detach()) == pytest.approx(expected)


def test_the_cosine_schedule_warms_up_and_ends_at_nothing() -> None:
    settings = Optimiser(learning_rate=0.2, schedule="cosine")
    assert settings.learning_rate_at(0) == 0 and settings.learning_rate_at(1) == pytest.approx(0)
    assert settings.learning_rate_at(0.5) == pytest.approx(0.1)
    rates = [settings.learning_rate_at(x) for x in np.linspace(0.05, 1, 50)]
    assert all(a > b for a, b in pairwise(rates)) and max(rates) < 0.2
