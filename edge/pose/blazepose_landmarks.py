"""The landmark network of BlazePose: 33 joints of the one body in an upright region.

Sources: the BlazePose GHUM 3D model card and the parameters in MediaPipe's pose landmark graph.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import expit

from edge.contract.errors import EngineError
from edge.contract.types import Float32, Image
from edge.engines.engine import Engine
from edge.pose.region import Region, upright

JOINTS = 33
_POINTS = 39
"""33 joints, the mid-hip and rim of the body's circle, four of the hands that nobody uses."""


@dataclass(frozen=True)
class Landmarks:
    """One body as the network sees it.

    presence: probability that there is a body in the region. region: where to look in the next picture.
    keypoints: (33, 3) float32, x and y in pixels of the picture, visibility 0..1.
    """

    presence: float
    keypoints: Float32
    region: Region


class LandmarkNetwork:
    """Joints of the body in a region of a picture."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._size = engine.inputs[0].shape[1] or 0
        # Taken once: fresh memory of this size costs a page fault for every four kilobytes.
        self._blob = np.empty((1, self._size, self._size, 3), np.float32)
        by_shape = {spec.shape: spec.name for spec in engine.outputs}
        try:
            self._points, self._presence = by_shape[1, _POINTS * 5], by_shape[1, 1]
            self._heatmaps = next(name for shape, name in by_shape.items() if len(shape) == 4 and shape[3] == _POINTS)
        except (KeyError, StopIteration) as error:
            raise EngineError(
                "not a BlazePose landmark network: its outputs have other shapes", where=engine.describe()
            ) from error

    def locate(self, image: Image, region: Region) -> Landmarks:
        crop = region.crop(image, self._size, repeat_border=True)
        np.multiply(crop[None], np.float32(1 / 255), out=self._blob)
        outputs = self._engine.run({self._engine.inputs[0].name: self._blob})
        raw: Float32 = outputs[self._points].reshape(_POINTS, 5)[: JOINTS + 2]
        points = refine((raw[:, :2] / self._size).astype(np.float32), outputs[self._heatmaps][0])
        pixels = region.to_picture(points)
        visibility = expit(raw[:JOINTS, 3:4])
        return Landmarks(
            presence=float(outputs[self._presence][0, 0]),
            keypoints=np.concatenate([pixels[:JOINTS], visibility], axis=1),
            region=upright(pixels[JOINTS], pixels[JOINTS + 1]),
        )


def refine(points: Float32, heatmaps: Float32, window: int = 7, min_confidence: float = 0.5) -> Float32:
    """Points (K, 2) in 0..1, each moved to the mean of its heatmap in a window around it.

    heatmaps: (H, W, >=K) logits. A point outside, or whose window nowhere reaches ``min_confidence``,
    stays. Source: MediaPipe's refinement of landmarks from heatmaps.
    """
    height, width = heatmaps.shape[:2]
    reach = np.arange(window) - window // 2
    count = len(points)
    column = (points[:, :1] * width).astype(np.int64) + reach  # (K, window)
    row = (points[:, 1:] * height).astype(np.int64) + reach
    inside_x, inside_y = (column >= 0) & (column < width), (row >= 0) & (row < height)
    logits = heatmaps[
        row.clip(0, height - 1)[:, :, None], column.clip(0, width - 1)[:, None, :], np.arange(count)[:, None, None]
    ]
    weight = (inside_y[:, :, None] & inside_x[:, None, :]) * expit(logits)  # (K, window, window)
    total = weight.sum((1, 2))
    usable = (weight.max((1, 2)) >= min_confidence) & ((points >= 0) & (points < 1)).all(1)
    total[~usable] = 1
    mean_x = (weight.sum(1) * column).sum(1) / (total * width)
    mean_y = (weight.sum(2) * row).sum(1) / (total * height)
    refined: Float32 = np.where(usable[:, None], np.stack([mean_x, mean_y], axis=1), points).astype(np.float32)
    return refined
