"""The body detector of BlazePose: regions of the bodies in a square of an image.

Sources: Bazarevsky et al., "BlazePose: On-device Real-time Body Pose Tracking", 2020, and the parameters in
MediaPipe's pose detection graph: an SSD of one class at 224x224 with fixed anchors, and non-maximum suppression that
blends overlapping boxes instead of dropping them.
"""

from __future__ import annotations

import numpy as np
from scipy.special import expit, logit

from edge.contract.errors import EngineError
from edge.contract.types import Float32, Image
from edge.engines.engine import Engine, bind
from edge.pose.crop import crop, snap_to_pixels
from edge.pose.region import Region, body_region

_GRIDS = ((28, 2), (14, 2), (7, 6))
"""Cells per side and anchors per cell, for strides 8, 16 and three times 32 of a 224 input."""

MIN_SCORE, NMS_IOU = 0.5, 0.3
"""MediaPipe's values: score of a body, and intersection over union above which two boxes show the same body."""


def anchors() -> Float32:
    """(2254, 2): centres of the anchors, x and y in 0..1. Each anchor has the size of the image."""
    levels = []
    for cells, per_cell in _GRIDS:
        middle = (np.arange(cells, dtype=np.float32) + 0.5) / cells
        y, x = np.meshgrid(middle, middle, indexing="ij")
        levels.append(np.repeat(np.stack([x.ravel(), y.ravel()], axis=1), per_cell, axis=0))
    return np.concatenate(levels)


class BodyDetector:
    """Detects bodies in a region of an image.

    engine: a network from :func:`edge.pose.blazepose_layers.detector_layers`.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._anchors = anchors()
        (image,) = engine.inputs
        self._size = image.shape[1] or 0
        # Allocated once: new memory of this size costs a page fault for every four kilobytes.
        self._input = np.zeros((1, self._size, self._size, 3), np.uint8)
        self._outputs = {spec.name: np.empty([n or 1 for n in spec.shape], spec.dtype) for spec in engine.outputs}
        self._run = bind(engine, {image.name: self._input}, self._outputs)
        # The threshold is applied before the sigmoid, which then runs on few anchors.
        self._min_logit = float(logit(MIN_SCORE))

    def detect(self, image: Image, region: Region) -> list[Region]:
        """The region of every body found, most certain first.

        Raises EngineError if the network's output is not finite.
        """
        # Detection does not depend on a shift by a pixel, and a block of pixels is cropped in a third of the time.
        region = region if region.rotation else snap_to_pixels(region, self._size)
        crop(image, region, self._size, into=self._input[0])
        self._run()
        raw, logits = self._outputs["points"][0], self._outputs["logits"][0]
        # NaN is below every threshold: a broken network would look like an empty scene.
        if not np.isfinite(logits).all():
            raise EngineError("the network returned NaN or infinite values", where=self._engine.describe())
        kept = logits[:, 0] > self._min_logit
        if not kept.any():
            return []
        points = raw[kept].reshape(-1, 6, 2) / self._size
        # Pair 0 is the box's centre, 1 its size, 2 the mid-hip, 3 the rim of the body's circle.
        points[:, [0, 2, 3, 4, 5]] += self._anchors[kept, None]
        bodies = weighted_nms(points, expit(logits[kept, 0]))
        return [body_region(*region.to_image(body[2:4])) for body in bodies]


def weighted_nms(points: Float32, scores: Float32) -> list[Float32]:
    """Weighted non-maximum suppression: boxes with an IoU above NMS_IOU become their mean, weighted by their scores.

    points: (N, K, 2), [:, 0] the box's centre and [:, 1] its size. scores: (N,). Returns (K, 2) of each, that of the
    highest score first.
    """
    best_first = np.argsort(-scores, kind="stable")
    points, scores = points[best_first], scores[best_first]
    half = points[:, 1] / 2
    low, high = points[:, 0] - half, points[:, 0] + half
    area = 4 * half[:, 0] * half[:, 1]
    kept = []
    remaining = np.arange(len(points))
    while len(remaining):
        best = remaining[0]
        sides = np.maximum(np.minimum(high[remaining], high[best]) - np.maximum(low[remaining], low[best]), 0)
        intersection = sides[:, 0] * sides[:, 1]
        same = intersection > NMS_IOU * (area[remaining] + area[best] - intersection)
        same[0] = True  # a box without area does not overlap itself
        group = remaining[same]
        weights = scores[group] / scores[group].sum()
        kept.append((weights[:, None, None] * points[group]).sum(axis=0))
        remaining = remaining[~same]
    return kept
