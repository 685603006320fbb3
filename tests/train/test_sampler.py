"""The batches of an epoch, for one process and for several."""

from itertools import chain

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from train.sampler import BatchSampler


def sampler(count: int, *, epoch: int = 0, **settings: int) -> BatchSampler:
    made = BatchSampler(np.zeros(count, np.int64), **{"batch": 16, "seed": 0, **settings})  # type: ignore[arg-type]
    made.epoch = epoch
    return made


def clips(batches: BatchSampler) -> list[list[int]]:
    return [[draw.clip for draw in batch] for batch in batches]


def test_an_epoch_has_every_clip_once_but_no_batch_of_one() -> None:
    batches = clips(sampler(33))
    assert [len(batch) for batch in batches] == [16, 16]
    assert len(set(chain(*batches))) == 32
    assert sorted(chain(*clips(sampler(34)))) == list(range(34))


def test_epochs_differ_and_are_reproducible() -> None:
    assert clips(sampler(64, epoch=1)) != clips(sampler(64, epoch=2))
    assert clips(sampler(64, epoch=1)) == clips(sampler(64, epoch=1))
    assert clips(sampler(64)) != clips(sampler(64, seed=1))
    assert [draw.epoch for draw in chain(*sampler(32, epoch=3))] == [3] * 32


def test_every_place_of_an_epoch_is_unique() -> None:
    places = [draw.position for draw in chain(*sampler(48))]
    assert sorted(places) == list(range(48))


@given(st.integers(4, 200), st.integers(2, 8), st.integers(1, 3), st.integers(1, 3), st.booleans())
def test_several_processes_visit_the_clips_of_one_with_the_global_batch(
    count: int, batch: int, world: int, accumulate: int, later: bool
) -> None:
    parts = [
        list(sampler(count, batch=batch, rank=rank, world=world, accumulate=accumulate, epoch=int(later)))
        for rank in range(world)
    ]
    whole = list(sampler(count // (world * accumulate) * (world * accumulate), batch=batch * world))
    # All processes have the same batch sizes, and the batches of a step have one size.
    assert len({tuple(len(draws) for draws in part) for part in parts}) == 1
    sizes = [len(draws) for draws in parts[0]]
    assert len(sizes) % accumulate == 0 and all(2 <= size <= batch for size in sizes)
    for step in range(0, len(sizes), accumulate):
        assert len(set(sizes[step : step + accumulate])) == 1
    together = [sorted(draw.position for part in parts for draw in part[i]) for i in range(len(sizes))]
    flat = list(chain(*together))
    assert flat == list(range(len(flat))), "places are in order, without gaps"
    if accumulate == 1:
        assert [len(draws) for draws in together] == [len(draws) for draws in whole][: len(together)]
    assert len(sampler(count, batch=batch, world=world, accumulate=accumulate)) == len(sizes)


def test_balanced_batches_draw_all_classes_equally() -> None:
    # 400 clips of class 0, 25 of class 1, 75 of class 2; eight epochs of 500.
    labels = np.repeat([0, 1, 2], [400, 25, 75])
    balanced = BatchSampler(labels, batch=50, seed=0, balanced=True)
    drawn: list[int] = []
    for balanced.epoch in range(8):
        drawn += chain(*clips(balanced))
    assert len(drawn) == 8 * 500
    # Five standard deviations of a fraction of 1/3 in 4000 draws are 0.037.
    np.testing.assert_allclose(np.bincount(labels[drawn]) / len(drawn), 1 / 3, atol=0.037)
    small = {clip for clip in drawn if labels[clip] == 1}
    assert len(small) == 25, "every clip of the small class is drawn"


@pytest.mark.parametrize("count", [0, 1])
def test_too_few_clips_for_batch_norm_make_no_batch(count: int) -> None:
    assert list(sampler(count)) == []
