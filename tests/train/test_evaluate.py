"""Accuracy by hand."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from edge.contract.errors import ConfigError
from edge.contract.preprocess import Preprocessing
from train.data.generated.kinematic import make_kinematic
from train.data.pairs import PairConfig, PairDataset
from train.evaluate import BATCH, accuracy, predict


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


class Means(nn.Module):
    """Its logits are the means of a clip's three channels, times ``scale``; wrong in training mode."""

    def __init__(self, scale: float = 1.0) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(scale))

    def forward(self, clips: torch.Tensor) -> tuple[Any, None]:
        return clips.mean(dim=(2, 3, 4)) * self.scale + self.training, None


def test_a_network_predicts_every_clip_in_order_in_evaluation_mode() -> None:
    config = PairConfig(preprocessing=Preprocessing(length_frames=4, fps=4.0))
    data = make_kinematic(18, seed=0)
    pairs = PairDataset(data, config, train=False, seed=0)
    assert len(pairs) > BATCH
    low, high, _ = pairs.batch(np.arange(len(pairs)))
    for see, clips in (("lq", low), ("hq", high)):
        np.testing.assert_allclose(predict(Means(), pairs, see=see), clips.mean(axis=(2, 3, 4)), atol=1e-6)
    with pytest.raises(ConfigError, match="logits are not finite: training diverged"):
        predict(Means(float("nan")), pairs, see="lq")
