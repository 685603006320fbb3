"""Regions: what is cut out of a picture, and the way back."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.pose.region import Region, overlap, upright

regions = st.builds(
    Region, x=st.floats(150, 250), y=st.floats(100, 200), side=st.floats(80, 300), rotation=st.floats(-3, 3)
)


@given(regions, st.floats(0.2, 0.8), st.floats(0.2, 0.8))
def test_a_spot_in_the_picture_is_in_the_crop_where_the_region_says(region, u, v):
    x, y = region.to_picture(np.array([u, v], np.float32))
    rows, columns = np.mgrid[:300, :400] + 0.5
    spot = np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / (2 * 6.0**2))
    image = np.repeat((255 * spot).astype(np.uint8)[:, :, None], 3, axis=2)
    if image.max() < 250:
        return  # outside the picture
    crop = region.crop(image, 224)[:, :, 0].astype(float) ** 2
    rows, columns = np.mgrid[:224, :224] + 0.5
    centre = np.array([(crop * columns).sum(), (crop * rows).sum()]) / crop.sum() / 224
    # Within a pixel of either: MediaPipe, whose networks these are, lets pixel centres lie on whole numbers.
    assert np.abs(centre - [u, v]).max() < 1.5 / region.side + 1.5 / 224


def test_a_crop_is_rgb_and_black_or_repeated_beyond_the_picture():
    image = np.full((100, 100, 3), (10, 20, 30), np.uint8)
    beyond = Region(0, 50, 100)
    black, repeated = beyond.crop(image, 64), beyond.crop(image, 64, repeat_border=True)
    assert black[32, 60].tolist() == [30, 20, 10] and black[32, 4].tolist() == [0, 0, 0]
    assert (repeated == [30, 20, 10]).all()


@given(st.floats(-200, 200), st.floats(-200, 200))
def test_the_upright_region_shows_the_rim_straight_above_the_centre(dx, dy):
    if math.hypot(dx, dy) < 1:
        return
    centre = np.array([300.0, 200.0])
    rim = centre + np.array([dx, dy])
    region = upright(centre, rim)
    # The circle through the rim has 1 / 1.25 of the region's half side, so the rim is at 0.5 - 0.4.
    np.testing.assert_allclose(region.to_picture(np.array([0.5, 0.1], np.float32)), rim, atol=0.01)
    assert region.side == pytest.approx(2.5 * math.hypot(dx, dy))


def test_overlap_is_intersection_over_union():
    assert overlap(Region(0, 0, 2), Region(0, 0, 2)) == 1
    assert overlap(Region(0, 0, 2), Region(1, 0, 2)) == pytest.approx(2 / 6)
    assert overlap(Region(0, 0, 2), Region(2, 0, 2)) == 0
    assert overlap(Region(0, 0, 4), Region(0.5, 0.5, 1)) == pytest.approx(1 / 16)
