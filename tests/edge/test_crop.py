"""Crops show the part of the image that the region names."""

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.pose.crop import crop, snap_to_pixels
from edge.pose.region import Region

regions = st.builds(
    Region, x=st.floats(150, 250), y=st.floats(100, 200), side=st.floats(80, 300), rotation=st.floats(-3, 3)
)
SIZE = 224


def spot(x, y):
    """An image of 400 by 300 with a round spot at (x, y), where a pixel's centre lies at a half."""
    rows, columns = np.mgrid[:300, :400] + 0.5
    grey = np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / (2 * 6.0**2))
    return np.repeat((255 * grey).astype(np.uint8)[:, :, None], 3, axis=2)


def centre(shown):
    """Centre of the spot, x and y in 0..1."""
    light = shown[:, :, 0].astype(float) ** 2
    rows, columns = np.mgrid[: len(shown), : len(shown)] + 0.5
    return np.array([(light * columns).sum(), (light * rows).sum()]) / light.sum() / len(shown)


@given(regions, st.floats(0.2, 0.8), st.floats(0.2, 0.8), st.booleans())
def test_a_spot_in_the_image_is_at_its_place_in_the_crop(region, u, v, is_snapped):
    region = snap_to_pixels(region, SIZE) if is_snapped else region
    image = spot(*region.to_image(np.array([u, v], np.float32)))
    if image.max() < 250:
        return  # outside the image
    # Within a pixel of either: MediaPipe, whose networks these are, lets pixel centres lie on whole numbers.
    assert np.abs(centre(crop(image, region, SIZE)) - [u, v]).max() < 1.5 / region.side + 1.5 / SIZE


@given(regions)
def test_the_snapped_region_is_the_nearest_block_of_pixels(region):
    near = snap_to_pixels(region, SIZE)
    assert near.rotation == 0 and near.side % 1 == 0 and snap_to_pixels(Region(10, 10, 0), SIZE).side == 1
    assert max(abs(near.side - region.side), abs(near.x - region.x), abs(near.y - region.y)) <= 0.5 + 1e-6


@given(st.floats(150, 250), st.floats(150, 200), st.floats(80, 280))
def test_a_snapped_region_inside_the_image_is_a_resized_block_of_pixels(x, y, side):
    image = np.random.default_rng(0).integers(0, 255, (400, 500, 3), np.uint8)
    near = snap_to_pixels(Region(x, y, side), SIZE)
    # MediaPipe's first sample is (scale - 1) / 2 pixels before that of cv2.resize.
    shift = (near.side / SIZE - 1) / 2
    left, top, side = (round(at) for at in (near.x - near.side / 2 - shift, near.y - near.side / 2 - shift, near.side))
    block = cv2.resize(image[top : top + side, left : left + side], (SIZE, SIZE))
    assert np.array_equal(crop(image, near, SIZE), block)


@given(st.floats(-60, 460), st.floats(-60, 360), st.floats(60, 900), st.booleans())
def test_a_snapped_region_is_cropped_like_a_rotated_one(x, y, side, repeat_border):
    region = snap_to_pixels(Region(x, y, side), SIZE)
    # Brighter by half a grey level a pixel to the right, and by two thirds downwards.
    rows, columns = np.mgrid[:300, :400]
    image = np.stack([rows * 2 / 3 + 20, columns / 2 + 20, 0 * rows + 90], axis=2).astype(np.uint8)
    # A rotation too small to move a pixel, but no block any more.
    turned = crop(image, Region(region.x, region.y, region.side, 1e-9), SIZE, repeat_border=repeat_border)
    shown = crop(image, region, SIZE, repeat_border=repeat_border)
    # Half a pixel of the crop at the image's edge, and rounding. A rotated region fades to black over a pixel of the
    # image beyond the edge, and one of the crop.
    allowed, fading = side / SIZE / 2 * 2 / 3 + 1.5, 4 * (1 / side + 1 / SIZE)
    assert np.mean(np.abs(shown.astype(int) - turned).max(axis=2) > allowed) <= (0 if repeat_border else fading)


@pytest.mark.parametrize("rotation", [0.7, 2.4, -1.2, -3.0])
@pytest.mark.parametrize(("x", "y", "side"), [(800, 600, 1100), (20, 600, 1100), (1200, 800, 400)])
def test_a_large_rotated_region_equals_a_warp_of_the_whole_image(x, y, side, rotation):
    image = np.random.default_rng(0).integers(0, 255, (30, 40, 3), np.uint8).repeat(40, axis=0).repeat(40, axis=1)
    region, corners = Region(x, y, side, rotation), np.array([(0, 0), (1, 0), (0, 1)], np.float32)
    places = np.array([region.to_image(corner) for corner in corners], np.float32)
    turned = cv2.getAffineTransform(corners * SIZE, places)
    whole = cv2.warpAffine(image, turned, (SIZE, SIZE), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
    # A hundredth of a pixel between two squares of other colours is a few grey levels, and few pixels lie there.
    assert np.mean(np.abs(crop(image, region, SIZE).astype(int) - whole).max(axis=2) > 12) < 0.01


def test_a_crop_is_black_or_repeats_the_border_beyond_the_image():
    image = np.full((100, 100, 3), (10, 20, 30), np.uint8)
    for beyond in (
        Region(0, 50, 100, 0.001),
        snap_to_pixels(Region(0, 50, 100), 64),
        snap_to_pixels(Region(50, 100, 120), 64),
    ):
        black, repeated = crop(image, beyond, 64), crop(image, beyond, 64, repeat_border=True)
        assert black[20, 40].tolist() == [10, 20, 30] and black[60, 2].tolist() == [0, 0, 0]
        assert (repeated == [10, 20, 30]).all()


@pytest.mark.parametrize("repeat_border", [True, False])
def test_a_region_outside_the_image_is_black_or_repeats_the_border(repeat_border):
    image = np.full((100, 100, 3), 200, np.uint8)
    for region in (snap_to_pixels(Region(-300, 50, 100), 64), Region(-3000, 50, 1500, 0.7)):
        shown = crop(image, region, 64, repeat_border=repeat_border)
        assert (shown == (200 if repeat_border else 0)).all()


def test_the_crop_is_written_into_the_given_array():
    into = np.empty((64, 64, 3), np.uint8)
    image = spot(200, 150)
    for region in (Region(200, 150, 90, 0.4), snap_to_pixels(Region(200, 150, 90), 64)):
        shown = crop(image, region, 64, into=into)
        assert np.shares_memory(shown, into) and np.array_equal(shown, crop(image, region, 64))
