"""The landmark network of BlazePose: 33 joints of the one body in an upright region.

Sources: the BlazePose GHUM 3D model card and the parameters in MediaPipe's pose landmark graph.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from edge.contract.errors import EngineError
from edge.contract.types import Float32, Image
from edge.engines.engine import Engine, TensorSpec
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


def is_read(output: TensorSpec) -> bool:
    """Points, presence and heatmaps are; the body's mask and its joints in metres, a third of the work, are not."""
    shape = output.shape
    return shape in ((1, _POINTS * 5), (1, 1)) or (len(shape) == 4 and shape[3] == _POINTS)


class LandmarkNetwork:
    """Joints of the body in a region of a picture."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._size = engine.inputs[0].shape[1] or 0
        # Taken once: fresh memory of this size costs a page fault for every four kilobytes.
        self._blob = np.empty((1, self._size, self._size, 3), np.float32)
        self._crop = np.empty((self._size, self._size, 3), np.uint8)
        by_shape = {spec.shape: spec.name for spec in engine.outputs}
        try:
            self._points, self._presence = by_shape[1, _POINTS * 5], by_shape[1, 1]
            self._heatmaps = next(name for shape, name in by_shape.items() if len(shape) == 4 and shape[3] == _POINTS)
        except (KeyError, StopIteration) as error:
            raise EngineError(
                "not a BlazePose landmark network: its outputs have other shapes", where=engine.describe()
            ) from error

    def locate(self, image: Image, regions: Sequence[Region]) -> list[Landmarks]:
        """One body for each region; the network runs for each, what follows it once for all."""
        if not regions:
            return []
        answers = [self._answer(image, region) for region in regions]
        raw = np.stack([outputs[self._points].reshape(_POINTS, 5)[: JOINTS + 2] for outputs in answers])
        points = refine((raw[..., :2] / self._size).astype(np.float32), [o[self._heatmaps][0] for o in answers])
        visibility = expit(raw[:, :JOINTS, 3:4])
        pixels = [region.to_picture(own) for region, own in zip(regions, points, strict=True)]
        return [
            Landmarks(
                presence=float(answers[n][self._presence][0, 0]),
                keypoints=np.concatenate([own[:JOINTS], visibility[n]], axis=1),
                region=upright(own[JOINTS], own[JOINTS + 1]),
            )
            for n, own in enumerate(pixels)
        ]

    def _answer(self, image: Image, region: Region) -> dict[str, NDArray[Any]]:
        crop = region.crop(image, self._size, repeat_border=True, into=self._crop)
        np.multiply(crop[None], np.float32(1 / 255), out=self._blob)
        return self._engine.run({self._engine.inputs[0].name: self._blob})


def refine(points: Float32, heatmaps: Sequence[Float32], window: int = 7, min_confidence: float = 0.5) -> Float32:
    """Points (N, K, 2) in 0..1, each moved to the mean of its heatmap in a window around it.

    heatmaps: N of (H, W, >=K) logits. A point outside, or whose window nowhere reaches ``min_confidence``,
    stays. Source: MediaPipe's refinement of landmarks from heatmaps.
    """
    height, width, maps = heatmaps[0].shape
    look = _window(window, width, maps)
    size = np.array([width, height], np.float32)
    middle = np.floor(points * size).astype(np.int64)  # (N, K, 2)
    at = middle[..., None, :] + look.reach  # (N, K, window, 2)
    inside = (at >= 0) & (at < size)
    cells = (middle @ look.step + np.arange(points.shape[1]))[..., None] + look.steps  # (N, K, window * window)
    # What lies outside is read from anywhere, and does not count.
    near = [of_one.reshape(-1).take(own, mode="clip") for of_one, own in zip(heatmaps, cells, strict=True)]
    weight = expit(np.stack(near))
    weight *= (inside[..., :, None, 1] & inside[..., None, :, 0]).reshape(weight.shape)
    sums = weight @ look.moments
    usable = (weight.max(axis=-1) >= min_confidence) & inside[:, :, window // 2].all(axis=-1)
    mean = (middle + sums[..., 1:] / np.maximum(sums[..., :1], np.float32(1e-9))) / size
    refined: Float32 = np.where(usable[..., None], mean, points).astype(np.float32)
    return refined


@dataclass(frozen=True)
class _Window:
    """The cells of a square window, row by row, seen from its middle.

    reach: (window, 1) their columns, or rows. step: (2,) numbers in a flat heatmap to the next column and row. steps:
    (window * window,) to each cell. moments: (window * window, 3) float32 ones, columns and rows, to sum weights with.
    """

    reach: NDArray[np.int64]
    step: NDArray[np.int64]
    steps: NDArray[np.int64]
    moments: Float32


@lru_cache(maxsize=4)
def _window(window: int, width: int, maps: int) -> _Window:
    reach = np.arange(window) - window // 2
    rows, columns = (axis.ravel() for axis in np.meshgrid(reach, reach, indexing="ij"))
    moments = np.stack([np.ones(window**2), columns, rows], axis=1).astype(np.float32)
    step = np.array([maps, width * maps])
    return _Window(reach[:, None], step, columns * step[0] + rows * step[1], moments)
