"""Image memory is reused, but never while something refers to it."""

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


def next_image(pool, number):
    """The next image of a capture that overwrites pool images, filled with one value."""
    image = pool.acquire()
    if image is None:
        image = np.empty(SHAPE, np.uint8)
    image.fill(number)
    pool.add(image)
    return image


@given(st.lists(st.tuples(st.integers(0, 5), st.booleans()), max_size=60))
def test_images_and_views_that_are_referred_to_are_not_overwritten(turns):
    pool, held_images = ImagePool(), {}
    for number, (place, is_part) in enumerate(turns):
        image = next_image(pool, number)
        # Drops the reference to the image that was in this place before.
        held_images[place] = (number, image[3:9, ::2][1:] if is_part else image)
        del image
        for given_number, view in held_images.values():
            assert (view == given_number).all()


def test_the_pool_holds_at_most_two_images_more_than_are_in_use():
    shape, size = (400, 1000, 3), 1_200_000
    tracemalloc.start()
    try:
        pool, held_images = ImagePool(), []
        for number in range(30):
            held_images = held_images[: (7 * number) % 10]
            held_images.append(pool.copy(np.broadcast_to(np.uint8(number), shape)))
            held = tracemalloc.get_traced_memory()[0] / size
            assert len(held_images) <= held < len(held_images) + MAX_FREE + 0.1
        assert tracemalloc.get_traced_memory()[1] / size < 10 + MAX_FREE + 0.1
    finally:
        tracemalloc.stop()


def test_sequential_images_share_their_memory():
    pool = ImagePool()
    places = {next_image(pool, n).ctypes.data for n in range(20)}
    assert len(places) == 1


def test_memory_is_reused_after_the_size_changes():
    pool = ImagePool()
    before = pool.copy(np.zeros(SHAPE, np.uint8))
    other = pool.copy(np.zeros((8, 9, 3), np.uint8))
    places = {other.ctypes.data}
    del before, other
    for number in range(20):
        places.add(pool.copy(np.full((8, 9, 3), number, np.uint8)).ctypes.data)
    assert len(places) == 1


def test_a_copy_is_a_copy_of_any_size():
    pool, rng = ImagePool(), np.random.default_rng(0)
    for shape in (SHAPE, SHAPE, (8, 9, 3), SHAPE):
        image = rng.integers(0, 256, shape, np.uint8)
        copy = pool.copy(image)
        np.testing.assert_array_equal(copy, image)
        assert not np.shares_memory(copy, image)


def test_a_view_is_never_reused():
    pool, whole = ImagePool(), np.zeros((3, *SHAPE), np.uint8)
    pool.add(whole[1])
    assert pool.acquire() is None


def test_kept_images_of_a_video_stay_intact_and_the_others_share_few_buffers(tmp_path):
    path = videos.write(tmp_path / "counted.mp4", frames=24)
    kept, places = [], set()
    for frame in open_source(str(path)):
        places.add(frame.image.ctypes.data)
        if frame.index % 5 == 0:
            kept.append(frame)
    assert [videos.number(frame.image) for frame in kept] == [0, 5, 10, 15, 20]
    assert len(places) <= len(kept) + 1 + MAX_FREE + 1


@pytest.mark.parametrize("images", [1, 2])
def test_images_of_another_size_get_new_memory(images):
    pool = ImagePool()
    pool.add(np.zeros((4, 5, 3), np.uint8))
    copies = [pool.copy(np.full(SHAPE, n, np.uint8)) for n in range(images)]
    assert [copy[0, 0, 0] for copy in copies] == list(range(images))


class Reader:
    """A camera driver that returns 20 new images, each filled with its number."""

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
def test_flipped_camera_images_share_few_buffers_and_kept_ones_stay_intact(flip):
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
