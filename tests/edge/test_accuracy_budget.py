"""A bundle's accuracy and the budget that its INT8 student must meet."""

import pytest

from edge.contract.manifest import AccuracyBudget, accuracy_text


def test_measured_accuracy_is_shown_in_percent_and_counts_as_they_are():
    text = accuracy_text({"top1": 0.911, "mean_class": 0.8777, "clips": 1068})
    assert text == "top1 91.10 %, mean class 87.77 %, clips 1068"


@pytest.mark.parametrize(
    ("agreement", "top1_drop", "missed"),
    [
        (99.0, 0.5, []),
        (100.0, -2.0, []),
        (99.0, None, []),
        (98.99, None, ["agrees on 98.99 %, 99 % are required"]),
        (99.0, 0.51, ["top-1 drops by 0.51 points, 0.5 are allowed"]),
        (90.0, 7.0, ["agrees on 90.00 %, 99 % are required", "top-1 drops by 7.00 points, 0.5 are allowed"]),
    ],
)
def test_a_missed_budget_is_explained_and_both_limits_are_within_it(agreement, top1_drop, missed):
    budget = AccuracyBudget()
    assert budget.violations(agreement, top1_drop) == missed


@pytest.mark.parametrize("clips", [200, 400, 1000, 2000, 2200])
def test_a_budget_that_is_used_up_to_the_last_clip_is_kept(clips):
    """Half a point is a whole number of these clips; in floating point half of the drops slightly exceed it."""
    budget, lost = AccuracyBudget(), clips // 200
    for right in range(lost, clips + 1):
        assert budget.violations(100.0, 100 * (right / clips) - 100 * ((right - lost) / clips)) == []
        assert budget.violations(100.0, 100 * (right / clips - (right - lost) / clips)) == []
    assert budget.violations(100.0, 100 * (lost + 1) / clips)
    assert budget.violations(100 * (clips - clips // 100 - 1) / clips)
