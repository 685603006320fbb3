"""What a budget says of an agreement and a drop of top-1: both limits themselves are still within it."""

import pytest

from edge.contract.manifest import AccuracyBudget

BUDGET = AccuracyBudget(max_top1_drop=0.5, min_agreement=99.0)


@pytest.mark.parametrize(
    ("agreement", "top1_drop", "missed"),
    [
        (99.0, 0.5, []),
        (100.0, -2.0, []),
        (99.0, None, []),
        (98.99, None, ["agrees on 98.99 %, 99 % are wanted"]),
        (99.0, 0.51, ["top-1 falls by 0.51 points, 0.5 are allowed"]),
        (90.0, 7.0, ["agrees on 90.00 %, 99 % are wanted", "top-1 falls by 7.00 points, 0.5 are allowed"]),
    ],
)
def test_what_is_missed_is_said_with_what_is_asked(agreement, top1_drop, missed):
    assert BUDGET.missed(agreement, top1_drop) == missed
