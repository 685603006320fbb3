"""Accuracy by hand."""

import numpy as np
import pytest

from train.evaluate import accuracy


def test_accuracy_by_hand() -> None:
    # Of class 0: correct, second, last. Of class 2: correct, second. Of class 5: correct.
    logits = [[9, 8, 7, 6, 5, 4], [8, 9, 7, 6, 5, 4], [4, 5, 6, 7, 8, 9],
              [1, 2, 9, 0, 0, 0], [9, 2, 8, 0, 0, 0], [0, 1, 2, 3, 4, 5]]  # fmt: skip
    result = accuracy(np.array(logits, np.float32), np.array([0, 0, 0, 2, 2, 5]))
    assert result.top1 == pytest.approx(3 / 6) and result.top5 == pytest.approx(5 / 6)
    assert result.mean_class == pytest.approx((1 / 3 + 1 / 2 + 1) / 3), "classes without clips do not count"
    assert result.per_class("abcdef") == {"a": 0.3333, "b": 0, "c": 0.5, "d": 0, "e": 0, "f": 1}
    expected = np.zeros((6, 6), int)
    expected[[0, 0, 0, 2, 2, 5], [0, 1, 5, 2, 0, 5]] = 1
    assert np.array_equal(result.confusion, expected)


@pytest.mark.parametrize("classes", [2, 3, 5])
def test_top5_is_1_for_five_classes_or_fewer(classes: int) -> None:
    logits = -np.eye(classes, dtype=np.float32)
    result = accuracy(logits, np.arange(classes))
    assert result.top5 == 1 and result.top1 == 0
