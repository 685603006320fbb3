"""The body detector of BlazePose: where in a square image are bodies, and how are they turned.

Sources: Bazarevsky et al., "BlazePose: On-device Real-time Body Pose Tracking", 2020, and the
parameters in MediaPipe's pose detection graph: an SSD of one class at 224x224 with fixed anchors,
and suppression that blends overlapping boxes instead of dropping them.
"""

from __future__ import annotations

import numpy as np
from scipy.special import expit, logit

from edge.contract.errors import EngineError
from edge.contract.types import Float32, Image
from edge.engines.engine import Engine, bind
from edge.pose.crop import crop, level
from edge.pose.region import Region, upright

_GRIDS = ((28, 2), (14, 2), (7, 6))
"""Cells on a side and anchors per cell, for strides 8, 16 and three times 32 of a 224 input."""

MIN_SCORE, MIN_OVERLAP = 0.5, 0.3
"""MediaPipe's: what counts as a body, and above what intersection over union two boxes show one."""


def anchors() -> Float32:
    """(2254, 2): the anchors' centres, x and y in 0..1. All have the size of the image."""
    levels = []
    for cells, per_cell in _GRIDS:
        middle = (np.arange(cells, dtype=np.float32) + 0.5) / cells
        y, x = np.meshgrid(middle, middle, indexing="ij")
        levels.append(np.repeat(np.stack([x.ravel(), y.ravel()], axis=1), per_cell, axis=0))
    return np.concatenate(levels)


class BodyDetector:
    """Bodies in a region of an image. engine: of :func:`edge.pose.blazepose_layers.detector_layers`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._anchors = anchors()
        (reads,) = engine.inputs
        self._size = reads.shape[1] or 0
        # Taken once: fresh memory of this size costs a page fault for every four kilobytes.
        self._shown = np.zeros((1, self._size, self._size, 3), np.uint8)
        self._found = {spec.name: np.empty([n or 1 for n in spec.shape], spec.dtype) for spec in engine.outputs}
        self._run = bind(engine, {reads.name: self._shown}, self._found)
        # The score threshold, moved before the sigmoid so that only the survivors pay for it.
        self._min_logit = float(logit(MIN_SCORE))

    def detect(self, image: Image, region: Region) -> list[tuple[float, Region]]:
        """(score, upright region of the body) of every body found, most certain first.

        Raises EngineError where the network's answer is not finite.
        """
        # A body is found as well a pixel beside, and a block of pixels is cut in a third of the time.
        region = region if region.rotation else level(region, self._size)
        crop(image, region, self._size, into=self._shown[0])
        self._run()
        raw, logits = self._found["points"][0], self._found["logits"][0]
        # NaN is above no threshold: a network that is broken would say that nobody is in view.
        if not np.isfinite(logits).all():
            raise EngineError("the network answered with NaN or infinite values", where=self._engine.describe())
        sure = logits[:, 0] > self._min_logit
        if not sure.any():
            return []
        points = raw[sure].reshape(-1, 6, 2) / self._size
        # Pair 0 is the box's centre, 1 its size, 2 the mid-hip, 3 the rim of the body's circle.
        points[:, [0, 2, 3, 4, 5]] += self._anchors[sure, None]
        scores = expit(logits[sure, 0])
        found = []
        for score, body in blend_overlapping(points, scores):
            centre, rim = region.to_image(body[2:4])
            found.append((score, upright(centre, rim)))
        return found


def blend_overlapping(points: Float32, scores: Float32) -> list[tuple[float, Float32]]:
    """Non-maximum suppression that blends: of boxes overlapping by more than MIN_OVERLAP the score-weighted mean is
    kept, under the best one's score.

    points: (N, K, 2), of which [:, 0] is the box's centre and [:, 1] its size. scores: (N,).
    """
    best_first = np.argsort(-scores, kind="stable")
    points, scores = points[best_first], scores[best_first]
    half = points[:, 1] / 2
    low, high = points[:, 0] - half, points[:, 0] + half
    area = 4 * half[:, 0] * half[:, 1]
    kept = []
    left = np.arange(len(points))
    while len(left):
        best = left[0]
        sides = np.maximum(np.minimum(high[left], high[best]) - np.maximum(low[left], low[best]), 0)
        shared = sides[:, 0] * sides[:, 1]
        same = shared > MIN_OVERLAP * (area[left] + area[best] - shared)
        same[0] = True  # a box without area overlaps not even itself
        group = left[same]
        weights = scores[group] / scores[group].sum()
        kept.append((float(scores[best]), (weights[:, None, None] * points[group]).sum(axis=0)))
        left = left[~same]
    return kept
