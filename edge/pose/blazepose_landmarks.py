"""The landmark network of BlazePose: 33 joints of the one body in an upright region.

Sources: the BlazePose GHUM 3D model card and the parameters in MediaPipe's pose landmark graph.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from edge.contract.errors import EngineError
from edge.contract.types import Float32, Image
from edge.engines.engine import Engine, TensorSpec, bound
from edge.pose.crop import crop
from edge.pose.region import Region, to_picture, upright

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
    """Joints of the bodies in regions of a picture. size: the network's input is so many pixels wide and high.

    max_bodies: regions at once, at most. What the network reads and writes for each is memory taken and touched once:
    fresh memory of this size costs a page fault for every four kilobytes, and a loop that runs for weeks must not grow.
    """

    def __init__(self, engine: Engine, max_bodies: int) -> None:
        self.size = engine.inputs[0].shape[1] or 0
        by_shape = {spec.shape: spec.name for spec in engine.outputs}
        try:
            points, presence = by_shape[1, _POINTS * 5], by_shape[1, 1]
            heatmaps = next(name for shape, name in by_shape.items() if len(shape) == 4 and shape[3] == _POINTS)
        except (KeyError, StopIteration) as error:
            raise EngineError(
                "not a BlazePose landmark network: its outputs have other shapes", where=engine.describe()
            ) from error
        self._crop = np.empty((self.size, self.size, 3), np.uint8)
        self._blobs = np.full((max_bodies, self.size, self.size, 3), 0, np.float32)
        found = {
            spec.name: np.full((max_bodies, *(n or 1 for n in spec.shape[1:])), 0, spec.dtype)
            for spec in engine.outputs
        }
        self._points, self._presence = found[points].reshape(max_bodies, _POINTS, 5), found[presence]
        self._heatmaps = found[heatmaps]
        reads = engine.inputs[0].name
        self._runs = [
            bound(engine, {reads: self._blobs[n : n + 1]}, {name: array[n : n + 1] for name, array in found.items()})
            for n in range(max_bodies)
        ]

    def locate(self, image: Image, regions: Sequence[Region]) -> list[Landmarks]:
        """One body for each region; the network runs for each, what comes before and after it once for all.

        A run takes picture and code out of the processor's caches: what is cut between two of them takes twice as long.
        """
        if not regions:
            return []
        bodies = len(regions)
        for region, blob in zip(regions, self._blobs[:bodies], strict=True):
            shown = crop(image, region, self.size, repeat_border=True, into=self._crop)
            np.multiply(shown, np.float32(1 / 255), out=blob)
        for run in self._runs[:bodies]:
            run()
        raw: Float32 = self._points[:bodies, : JOINTS + 2]
        points = refine(raw[..., :2] / np.float32(self.size), self._heatmaps[:bodies])
        keypoints = np.empty((bodies, JOINTS + 2, 3), np.float32)
        keypoints[..., :2] = to_picture(regions, points)
        expit(raw[..., 3], out=keypoints[..., 2])
        presence, circles = self._presence[:bodies, 0].tolist(), keypoints[:, JOINTS:, :2].tolist()
        return [
            Landmarks(sure, own[:JOINTS], upright(*circle))
            for sure, own, circle in zip(presence, keypoints, circles, strict=True)
        ]


def refine(points: Float32, heatmaps: Float32, window: int = 7, min_confidence: float = 0.5) -> Float32:
    """Points (N, K, 2) in 0..1, each moved to the mean of its heatmap in a window around it.

    heatmaps: (N, H, W, >=K) logits. A point outside, or whose window nowhere reaches ``min_confidence``,
    stays. Source: MediaPipe's refinement of landmarks from heatmaps.
    """
    bodies, joints, _ = points.shape
    look = _window(window, *heatmaps.shape)
    middle = np.floor(points * look.size)  # (N, K, 2)
    within = middle[..., 0] * look.step[0] + middle[..., 1] * look.step[1]
    cells = (within.astype(np.int64) + look.maps[:, :joints])[..., None] + look.steps
    # What lies outside is read from anywhere, and does not count.
    near = heatmaps.reshape(-1).take(cells, mode="clip")
    weight = expit(near, out=near)
    # Whether a window reaches beyond the map: then its cells there do not count.
    if np.abs(middle - look.centre).max() > look.free:
        inside = _inside(middle, look)
        weight *= inside
        usable = inside[..., inside.shape[-1] // 2] & (weight.max(axis=-1) >= min_confidence)
    else:
        usable = weight.max(axis=-1) >= min_confidence
    sums = (weight.reshape(-1, window**2) @ look.moments).reshape(bodies, joints, 3)
    mean = (middle + sums[..., 1:] / np.maximum(sums[..., :1], np.float32(1e-9))) / look.size
    refined: Float32 = np.where(usable[..., None], mean, points)
    return refined


def _inside(middle: Float32, look: _Window) -> NDArray[np.bool_]:
    """Which cells of the windows around (N, K, 2) lie within the map, (N, K, window * window)."""
    at = middle[..., None, :] + look.reach  # (N, K, window, 2)
    inside = (at >= 0) & (at < look.size)
    return (inside[..., :, None, 1] & inside[..., None, :, 0]).reshape(*middle.shape[:2], -1)


@dataclass(frozen=True)
class _Window:
    """The cells of a square window, row by row, seen from its middle.

    size: (2,) width and height of a heatmap. centre, free: so far from that column and row no window reaches beyond the
    map. reach: (window, 1) the window's columns, or rows. step: (2,) numbers in flat heatmaps (bodies, height, width,
    maps) to the next column and row. steps: (window * window,) to each cell. maps: (bodies, maps) to where each begins.
    moments: (window * window, 3) ones, columns and rows, to sum weights with.
    """

    size: Float32
    centre: Float32
    free: float
    reach: Float32
    step: Float32
    steps: NDArray[np.int64]
    maps: NDArray[np.int64]
    moments: Float32


@lru_cache(maxsize=16)
def _window(window: int, bodies: int, height: int, width: int, maps: int) -> _Window:
    reach = np.arange(window) - window // 2
    rows, columns = (axis.ravel() for axis in np.meshgrid(reach, reach, indexing="ij"))
    return _Window(
        size=np.array([width, height], np.float32),
        centre=np.array([(width - 1) / 2, (height - 1) / 2], np.float32),
        free=(min(width, height) - 1) / 2 - window // 2,
        reach=reach[:, None].astype(np.float32),
        step=np.array([maps, width * maps], np.float32),
        steps=(columns + width * rows) * maps,
        maps=np.arange(bodies)[:, None] * (height * width * maps) + np.arange(maps),
        moments=np.stack([np.ones(window**2), columns, rows], axis=1).astype(np.float32),
    )
