"""Images' memory is used again, and never while anybody looks at it."""

import tracemalloc
from typing import get_args

import numpy as np
import pytest
import videos
from fresh_memory import Arrays
from hypothesis import given
from hypothesis import strategies as st

from edge.capture.live import LiveSource
from edge.capture.registry import open_source
from edge.capture.source import CaptureConfig, Flip
from edge.image_pool import MAX_FREE, ImagePool

SHAPE = (40, 30, 3)


def taken(memory, number):
    """The next image of a capture that writes into what it is given, all of one grey."""
    image = memory.acquire()
    if image is None:
        image = np.empty(SHAPE, np.uint8)
    image.fill(number)
    memory.add(image)
    return image


@given(st.lists(st.tuples(st.integers(0, 5), st.booleans()), max_size=60))
def test_what_anybody_looks_at_stays_as_it_is_and_so_does_a_part_of_it(turns):
    memory, looked_at = ImagePool(), {}
    for number, (place, is_part) in enumerate(turns):
        image = taken(memory, number)
        # Whoever looked at something else in this place no longer does.
        looked_at[place] = (number, image[3:9, ::2][1:] if is_part else image)
        del image
        for given_number, view in looked_at.values():
            assert (view == given_number).all()


def test_no_more_is_taken_than_is_looked_at_and_two_images():
    shape, size = (400, 1000, 3), 1_200_000
    tracemalloc.start()
    try:
        memory, looked_at = ImagePool(), []
        for number in range(30):
            looked_at = looked_at[: (7 * number) % 10]
            looked_at.append(memory.copy(np.broadcast_to(np.uint8(number), shape)))
            held = tracemalloc.get_traced_memory()[0] / size
            assert len(looked_at) <= held < len(looked_at) + MAX_FREE + 0.1
        assert tracemalloc.get_traced_memory()[1] / size < 10 + MAX_FREE + 0.1
    finally:
        tracemalloc.stop()


def test_one_after_the_other_lies_in_the_same_place():
    memory = ImagePool()
    places = {taken(memory, n).ctypes.data for n in range(20)}
    assert len(places) == 1


def test_where_images_come_in_another_size_their_memory_is_used_again_too():
    memory = ImagePool()
    before = memory.copy(np.zeros(SHAPE, np.uint8))
    other = memory.copy(np.zeros((8, 9, 3), np.uint8))
    places = {other.ctypes.data}
    del before, other
    for number in range(20):
        places.add(memory.copy(np.full((8, 9, 3), number, np.uint8)).ctypes.data)
    assert len(places) == 1


def test_a_copy_is_a_copy_of_any_size():
    memory, chance = ImagePool(), np.random.default_rng(0)
    for shape in (SHAPE, SHAPE, (8, 9, 3), SHAPE):
        image = chance.integers(0, 256, shape, np.uint8)
        copy = memory.copy(image)
        np.testing.assert_array_equal(copy, image)
        assert not np.shares_memory(copy, image)


def test_what_is_part_of_something_else_is_nobodys_to_use_again():
    memory, whole = ImagePool(), np.zeros((3, *SHAPE), np.uint8)
    memory.add(whole[1])
    assert memory.acquire() is None


def test_a_videos_images_that_are_kept_stay_as_they_are_and_others_lie_in_few_places(tmp_path):
    path = videos.write(tmp_path / "counted.mp4", frames=24)
    kept, places = [], set()
    for frame in open_source(str(path)):
        places.add(frame.image.ctypes.data)
        if frame.index % 5 == 0:
            kept.append(frame)
    assert [videos.number(frame.image) for frame in kept] == [0, 5, 10, 15, 20]
    assert len(places) <= len(kept) + 1 + MAX_FREE + 1


@pytest.mark.parametrize("images", [1, 2])
def test_images_of_another_size_are_taken_anew(tmp_path, images):
    memory = ImagePool()
    memory.add(np.zeros((4, 5, 3), np.uint8))
    copies = [memory.copy(np.full(SHAPE, n, np.uint8)) for n in range(images)]
    assert [copy[0, 0, 0] for copy in copies] == list(range(images))


class Reader:
    """A camera's driver that gives new images, 20 of them, each of one grey that is its number."""

    def __init__(self):
        self.numbers = iter(range(20))

    def read(self):
        number = next(self.numbers, None)
        return number is not None, None if number is None else np.full((30, 40, 3), number, np.uint8)

    def get(self, _):
        return 30.0

    def release(self):
        pass


@pytest.mark.parametrize("flip", [flip for flip in get_args(Flip) if flip != "none"])
def test_a_cameras_images_are_flipped_into_few_places_and_those_kept_stay(flip):
    config = CaptureConfig(give_up_s=0.05)
    source = LiveSource("camera", Reader, config, flip=flip, hint=lambda: "")
    kept, arrays = [], Arrays()
    for frame in source:
        arrays.look(frame.image)
        if frame.index % 7 == 0:
            kept.append(frame)
        if frame.index == 19:
            break
    assert [(k.image.min(), k.image.max()) for k in kept] == [(n, n) for n in (0, 7, 14)]
    assert arrays.count <= len(kept) + 1 + MAX_FREE
