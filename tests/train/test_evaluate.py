"""Accuracy by hand."""

import numpy as np
import pytest

from train.evaluate import Accuracy, accuracy


def test_accuracy_by_hand() -> None:
    # Six classes, four clips: right; second best; last of all; right. Class 0 is right once in two.
    logits = np.array([[9, 8, 7, 6, 5, 4], [8, 9, 7, 6, 5, 4], [9, 8, 7, 6, 5, 4], [1, 2, 9, 0, 0, 0]], np.float32)
    labels = np.array([0, 0, 5, 2])
    told = accuracy(logits, labels)
    assert told.top1 == pytest.approx(2 / 4) and told.top5 == pytest.approx(3 / 4)
    assert told.mean_class == pytest.approx((1 / 2 + 0 + 1) / 3)
    expected = np.zeros((6, 6), int)
    expected[0, 0] = expected[0, 1] = expected[5, 0] = expected[2, 2] = 1
    assert np.array_equal(told.confusion, expected)


@pytest.mark.parametrize("classes", [2, 3, 5])
def test_among_five_classes_or_fewer_the_answer_is_always_in_the_top_five(classes: int) -> None:
    logits = -np.eye(classes, dtype=np.float32)
    told = accuracy(logits, np.arange(classes))
    assert told.top5 == 1 and told.top1 == 0


def test_accuracy_by_class_is_the_share_told_rightly_and_0_for_a_class_without_clips() -> None:
    told = Accuracy(0.75, 1.0, 0.75, np.array([[3, 1, 0], [0, 2, 2], [0, 0, 0]]))
    assert told.per_class(("sit", "stand", "fall")) == {"sit": 0.75, "stand": 0.5, "fall": 0.0}
