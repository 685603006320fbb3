"""BlazePose's arithmetic against slow references, without a network."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.contract.errors import EngineError
from edge.engines.engine import TensorSpec
from edge.pose.blazepose_detector import BodyDetector, anchors, weighted_nms
from edge.pose.region import Region
from edge.pose.search import search_levels


def test_the_anchors_are_the_cells_of_five_layers():
    expected = [
        ((column + 0.5) / cells, (row + 0.5) / cells)
        for strides in ((8,), (16,), (32, 32, 32))
        for cells in (224 // strides[0],)
        for row in range(cells)
        for column in range(cells)
        for _ in range(2 * len(strides))
    ]
    np.testing.assert_allclose(anchors(), expected, atol=1e-7)


def reference_nms(points, scores, limit=0.3):
    """MediaPipe's weighted suppression, box by box."""
    left, kept = sorted(range(len(scores)), key=lambda n: -scores[n]), []
    while left:
        group, rest = [left[0]], []
        for n in left[1:]:
            lows = [p[0] - p[1] / 2 for p in (points[n], points[left[0]])]
            highs = [p[0] + p[1] / 2 for p in (points[n], points[left[0]])]
            width, height = np.minimum(*highs) - np.maximum(*lows)
            shared = width * height if width > 0 and height > 0 else 0
            union = points[n][1].prod() + points[left[0]][1].prod() - shared
            (group if shared > limit * union else rest).append(n)
        weight = sum(scores[n] for n in group)
        kept.append(sum(scores[n] * points[n] for n in group) / weight)
        left = rest
    return kept


@given(st.integers(0, 2**32 - 1), st.integers(0, 12))
def test_weighted_nms_equals_mediapipes(seed, count):
    rng = np.random.default_rng(seed)
    points = rng.uniform(0.1, 0.6, (count, 6, 2)).astype(np.float32)
    points[: seed % 2, 1] = 0  # a box without area
    scores = rng.permutation(np.linspace(0.5, 0.99, count)).astype(np.float32)
    mine, expected = weighted_nms(points, scores), reference_nms(points, scores)
    for blended, slow in zip(mine, expected, strict=True):
        np.testing.assert_allclose(blended, slow, atol=1e-5)


@given(st.integers(1, 4), st.integers(1, 4))
def test_squares_cover_a_frame_of_a_few_pixels(height, width):
    (whole,), *levels = search_levels(height, width)
    assert whole.side == max(height, width)
    for level in levels:
        corners = [(s.x - s.side / 2, s.y - s.side / 2, s.side) for s in level]
        for x, y in product(range(width), range(height)):
            assert any(left <= x < left + side and top <= y < top + side for left, top, side in corners)


class Answering:
    """The engine of a body detector that answers these logits."""

    def __init__(self, logits):
        self.inputs = (TensorSpec("image", (1, 224, 224, 3), np.dtype(np.uint8)),)
        self.outputs = (
            TensorSpec("points", (1, 2254, 12), np.dtype(np.float32)),
            TensorSpec("logits", (1, 2254, 1), np.dtype(np.float32)),
        )
        self.answer = {"points": np.zeros((1, 2254, 12), np.float32), "logits": logits}

    def describe(self):
        return "a detector"

    def run(self, inputs):
        return self.answer


def test_a_broken_detector_raises_instead_of_finding_nobody():
    logits = np.full((1, 2254, 1), -5, np.float32)
    image, everything = np.zeros((224, 224, 3), np.uint8), Region(112, 112, 224)
    assert BodyDetector(Answering(logits)).detect(image, everything) == []
    for broken in (np.nan, np.inf, -np.inf):
        logits[0, 7] = broken
        with pytest.raises(EngineError, match="a detector: the network returned NaN"):
            BodyDetector(Answering(logits)).detect(image, everything)


def test_a_body_is_detected_above_even_odds():
    logits = np.full((1, 2254, 1), -0.1, np.float32)
    logits[0, 7] = 0.1
    assert len(BodyDetector(Answering(logits)).detect(np.zeros((224, 224, 3), np.uint8), Region(112, 112, 224))) == 1


@given(st.integers(100, 2000), st.integers(100, 2000), st.floats(0, 1), st.floats(0, 1))
def test_a_body_of_half_a_tile_fits_into_a_tile_of_every_size(height, width, u, v):
    whole, *levels = search_levels(height, width)
    assert whole == [Region(width / 2, height / 2, max(height, width))]
    for level in levels:
        side = level[0].side
        x, y = (side / 4 + place * (length - side / 2) for place, length in ((u, width), (v, height)))
        # Tiles begin at whole pixels, so that two neighbours may be up to one further apart than half a tile.
        assert any(max(abs(tile.x - x), abs(tile.y - y)) <= side / 4 + 0.5 for tile in level)
