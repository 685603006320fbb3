"""Regions: their place in the image."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.pose.region import Region, body_region, iou


@given(st.floats(-200, 200), st.floats(-200, 200))
def test_a_body_region_has_the_rim_straight_above_the_centre(dx, dy):
    if math.hypot(dx, dy) < 1:
        return
    centre = np.array([300.0, 200.0])
    rim = centre + np.array([dx, dy])
    region = body_region(centre, rim)
    # The circle through the rim has 1 / 1.25 of the region's half side, so the rim is at 0.5 - 0.4.
    np.testing.assert_allclose(region.to_image(np.array([0.5, 0.1], np.float32)), rim, atol=0.01)
    assert region.side == pytest.approx(2.5 * math.hypot(dx, dy))


def test_points_map_to_their_part_of_the_image():
    # A region of side 100 around (200, 100), and the same one lying on its side: its top is now on the right.
    points = np.array([[0.5, 0.5], [0.5, 0.1]], np.float32)
    for rotation, pixels in ((0, [[200, 100], [200, 60]]), (math.pi / 2, [[200, 100], [240, 100]])):
        np.testing.assert_allclose(Region(200, 100, 100, rotation).to_image(points), pixels, atol=1e-3)


def test_iou_is_intersection_over_union():
    assert iou(Region(0, 0, 2), Region(0, 0, 2)) == 1
    assert iou(Region(0, 0, 2), Region(1, 0, 2)) == pytest.approx(2 / 6)
    assert iou(Region(0, 0, 2), Region(2, 0, 2)) == iou(Region(0, 0, 0), Region(0, 0, 0)) == 0
    assert iou(Region(0, 0, 4), Region(0.5, 0.5, 1)) == pytest.approx(1 / 16)
