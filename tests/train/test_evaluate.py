"""Accuracy by hand."""

import numpy as np
import pytest

from train.evaluate import accuracy


def test_accuracy_by_hand() -> None:
    # Six classes, four clips: correct; second; last; correct. Class 0 is correct once in two.
    logits = np.array([[9, 8, 7, 6, 5, 4], [8, 9, 7, 6, 5, 4], [9, 8, 7, 6, 5, 4], [1, 2, 9, 0, 0, 0]], np.float32)
    labels = np.array([0, 0, 5, 2])
    result = accuracy(logits, labels)
    assert result.top1 == pytest.approx(2 / 4) and result.top5 == pytest.approx(3 / 4)
    assert result.mean_class == pytest.approx((1 / 2 + 0 + 1) / 3)
    expected = np.zeros((6, 6), int)
    expected[0, 0] = expected[0, 1] = expected[5, 0] = expected[2, 2] = 1
    assert np.array_equal(result.confusion, expected)


@pytest.mark.parametrize("classes", [2, 3, 5])
def test_top5_is_1_for_five_classes_or_fewer(classes: int) -> None:
    logits = -np.eye(classes, dtype=np.float32)
    result = accuracy(logits, np.arange(classes))
    assert result.top5 == 1 and result.top1 == 0
