"""The order of an epoch, alone and over several processes."""

from itertools import chain

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from train.sampler import BatchSampler


def order(count: int, *, epoch: int = 0, **settings: int) -> BatchSampler:
    made = BatchSampler(np.zeros(count, np.int64), **{"batch": 16, "seed": 0, **settings})  # type: ignore[arg-type]
    made.epoch = epoch
    return made


def clips(batches: BatchSampler) -> list[list[int]]:
    return [[draw.clip for draw in batch] for batch in batches]


def test_an_epoch_is_every_clip_once_without_a_last_batch_of_one() -> None:
    batches = clips(order(33))
    assert [len(batch) for batch in batches] == [16, 16]
    assert len(set(chain(*batches))) == 32
    assert sorted(chain(*clips(order(34)))) == list(range(34))


def test_epochs_differ_and_each_can_be_had_again() -> None:
    assert clips(order(64, epoch=1)) != clips(order(64, epoch=2))
    assert clips(order(64, epoch=1)) == clips(order(64, epoch=1))
    assert clips(order(64)) != clips(order(64, seed=1))
    assert [draw.epoch for draw in chain(*order(32, epoch=3))] == [3] * 32


def test_a_place_of_an_epoch_comes_once() -> None:
    places = [draw.position for draw in chain(*order(48))]
    assert sorted(places) == list(range(48))


@given(st.integers(4, 200), st.integers(2, 8), st.integers(1, 3), st.integers(1, 3), st.booleans())
def test_processes_take_together_what_one_with_their_batches_together_takes(
    count: int, batch: int, world: int, accumulate: int, later: bool
) -> None:
    parts = [
        list(order(count, batch=batch, rank=rank, world=world, accumulate=accumulate, epoch=int(later)))
        for rank in range(world)
    ]
    whole = list(order(count // (world * accumulate) * (world * accumulate), batch=batch * world))
    # Every process takes as many batches of as many clips, and a step's batches are of one size.
    assert len({tuple(len(draws) for draws in part) for part in parts}) == 1
    sizes = [len(draws) for draws in parts[0]]
    assert len(sizes) % accumulate == 0 and all(2 <= size <= batch for size in sizes)
    for step in range(0, len(sizes), accumulate):
        assert len(set(sizes[step : step + accumulate])) == 1
    together = [sorted(draw.position for part in parts for draw in part[i]) for i in range(len(sizes))]
    flat = list(chain(*together))
    assert flat == list(range(len(flat))), "in the order of their places, none left out between"
    if accumulate == 1:
        assert [len(draws) for draws in together] == [len(draws) for draws in whole][: len(together)]
    assert len(order(count, batch=batch, world=world, accumulate=accumulate)) == len(sizes)


def test_balanced_batches_draw_every_class_alike() -> None:
    # 400 clips of class 0, 25 of class 1, 75 of class 2; eight epochs of 500.
    labels = np.repeat([0, 1, 2], [400, 25, 75])
    balanced = BatchSampler(labels, batch=50, seed=0, balanced=True)
    drawn: list[int] = []
    for balanced.epoch in range(8):
        drawn += chain(*clips(balanced))
    assert len(drawn) == 8 * 500
    # Five standard deviations of a share of 1/3 in 4000 draws are 0.037.
    np.testing.assert_allclose(np.bincount(labels[drawn]) / len(drawn), 1 / 3, atol=0.037)
    small = {clip for clip in drawn if labels[clip] == 1}
    assert len(small) == 25, "every clip of the small class has its turn"


@pytest.mark.parametrize("count", [0, 1])
def test_too_few_clips_for_batchnorm_make_no_batch(count: int) -> None:
    assert list(order(count)) == []
