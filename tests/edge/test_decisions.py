"""Labels and their hysteresis, against sequences of probabilities worked out by hand."""

import numpy as np
import pytest

from edge.contract.errors import ConfigError
from edge.contract.types import UNKNOWN
from edge.recognition.decisions import DecisionConfig, Decisions

CLASSES = ("squat", "wave", "jump")


def labels(probabilities, **config):
    config = {"smoothing": 1, "min_score": 0.5, "hold": 0.8, "lead": 0.1, **config}
    decisions = Decisions(CLASSES, DecisionConfig(**config))
    return [decisions.decide(np.array(row, np.float32)) for row in probabilities]


def names(*arguments, **config):
    return [action.label for action in labels(*arguments, **config)]


def test_a_label_starts_at_the_threshold_and_stays_down_to_the_lower_one():
    # 0.5 begins; 0.8 of it, 0.4, keeps.
    decided = names([(0.49, 0.3, 0.21), (0.5, 0.3, 0.2), (0.41, 0.39, 0.2), (0.39, 0.31, 0.3), (0.45, 0.3, 0.25)])
    assert decided == [UNKNOWN, "squat", "squat", UNKNOWN, UNKNOWN]


def test_another_label_replaces_it_only_with_a_lead():
    decided = names([(0.6, 0.4, 0), (0.46, 0.54, 0), (0.44, 0.55, 0.01), (0.48, 0.52, 0)])
    # Leads of 0.08, of 0.11, and then 0.04 in favour of what stands.
    assert decided == ["squat", "squat", "wave", "wave"]


def test_with_lead_0_a_label_stays_down_to_the_lower_threshold_while_it_is_the_likeliest():
    decided = names([(0.5, 0.3, 0.2), (0.41, 0.39, 0.2), (0.45, 0.55, 0), (0.39, 0.31, 0.3)], lead=0.0)
    assert decided == ["squat", "squat", "wave", UNKNOWN]


def test_a_lead_does_not_start_a_label_below_the_threshold():
    assert names([(0.6, 0.4, 0), (0.3, 0.45, 0.25)]) == ["squat", UNKNOWN]


def test_a_class_named_unknown_never_becomes_a_label():
    decisions = Decisions(("squat", "wave", UNKNOWN), DecisionConfig(smoothing=1, min_score=0.4, hold=0.8, lead=0.2))
    rows = [(0.2, 0.1, 0.7), (0.48, 0.1, 0.42), (0.38, 0.1, 0.52), (0.3, 0.1, 0.6), (0.1, 0.0, 0.9)]
    decided = [decisions.decide(np.array(row, np.float32)) for row in rows]
    # What stands stays down to 0.32 while nothing leads it by 0.2, "unknown" included.
    assert [action.label for action in decided] == [UNKNOWN, "squat", "squat", UNKNOWN, UNKNOWN]
    assert [action.known for action in decided] == [False, True, True, False, False]


def test_probabilities_are_averaged():
    decisions = Decisions(CLASSES, DecisionConfig(smoothing=3, min_score=0.0), min_score=1.0)
    rows = np.random.default_rng(0).dirichlet((1, 1, 1), 7).astype(np.float32)
    for n, row in enumerate(rows):
        mean = rows[max(0, n - 2) : n + 1].mean(axis=0)
        action = decisions.decide(row)
        np.testing.assert_allclose(action.probabilities, mean, rtol=1e-6)
        assert action.known  # the configured threshold counts, though it is 0


def test_the_score_is_the_current_labels_and_for_unknown_the_likeliest():
    # Means of two: 0.46, 0.54, 0 and 0.23, 0.37, 0.4.
    first, second, third = labels([(0.6, 0.4, 0), (0.32, 0.68, 0), (0.14, 0.06, 0.8)], smoothing=2)
    assert (first.score, second.score, third.score) == pytest.approx((0.6, 0.46, 0.4))
    assert first.known and not third.known


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *[("hz", 0), ("smoothing", 0), ("stride_frames", 0), ("hold", 2)],
        *[("min_fill", -0.1), ("min_fill", 1.1), ("min_score", -0.1), ("min_score", 1.5)],
    ],
)
def test_invalid_values_are_refused(name, value):
    with pytest.raises(ConfigError, match=f"{name} is {value}; give a number in"):
        DecisionConfig(**{name: value})
