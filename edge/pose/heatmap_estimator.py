"""Pose estimation from heatmaps and part affinity fields: trt_pose, and the tf-pose family."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.contract.errors import EngineError
from edge.contract.layouts import layout
from edge.contract.types import Float32, Image, Pose
from edge.engines.engine import Engine, TimedEngine
from edge.pose.heatmap_peaks import find_peaks
from edge.pose.part_affinity import assemble, match_joints
from edge.pose.pose_network import PoseNetwork

MIN_JOINTS = 4
"""A person needs this many connected joints. A single peak is mostly a false detection."""

PEAKS = "peaks"
"""Name of the output with the heatmaps' local maxima, if the network finds them itself."""


class HeatmapEstimator:
    """See :class:`edge.pose.estimator.PoseEstimator`.

    engine: input (1, H, W, 3) uint8, BGR, or (1, 3, H, W) float32, RGB and scaled according to ``network``.
        Outputs heatmaps (1, K or K + 1, h, w) and fields (1, 2 L, h, w), recognised by their number of channels; and
        optionally "peaks": the heatmaps with 0 wherever a neighbour is greater.
    max_people: only the most certain are returned. min_joint_score: least heatmap value of a joint.
    file: the engine's file, for the EngineError that a network of another kind raises.
    """

    def __init__(
        self,
        engine: Engine,
        network: PoseNetwork,
        *,
        max_people: int,
        min_joint_score: float,
        file: str | Path | None = None,
    ) -> None:
        self.layout = layout("trt_pose-18")
        self._engine, self._network = TimedEngine(engine), network
        self._max_people, self._min_joint_score = max_people, min_joint_score
        self._order = [network.joints.index(joint) for joint in self.layout.joints]
        self._input = engine.inputs[0]
        self._takes_uint8 = self._input.dtype == np.uint8
        axes = self._input.shape[1:3] if self._takes_uint8 else self._input.shape[2:]
        joints, fields = len(network.joints), 2 * len(network.links)
        maps = [spec for spec in engine.outputs if len(spec.shape) == 4]
        channels = {spec.shape[1]: spec.name for spec in maps if spec.name != PEAKS}
        self._has_peaks = any(spec.name == PEAKS for spec in maps)
        heatmaps = channels.get(joints, channels.get(joints + 1))
        if heatmaps is None or fields not in channels or len(axes) != 2 or None in axes:
            raise EngineError(
                f"not a {network.name} network: it needs {joints} (or {joints + 1}) heatmaps, {fields} fields "
                "and an input of fixed size",
                where=file or engine.describe(),
                hint="export it for one image size, or choose the estimator it belongs to",
            )
        self._heatmaps, self._fields = heatmaps, channels[fields]
        self._height, self._width = (int(n or 0) for n in axes)
        self._mean, self._scale = np.array(network.mean, np.float32), 1 / np.array(network.std, np.float32)

    @property
    def network_s(self) -> float:
        return self._engine.busy_s

    def describe(self) -> str:
        return f"{self._network.name} {self._width}x{self._height}, {self._engine.describe()}"

    def close(self) -> None:
        self._engine.close()

    def estimate(self, image: Image, time_s: float | None = None) -> list[Pose]:
        """See PoseEstimator; the time is not used. Raises EngineError for heatmaps that are not finite."""
        boxed, (left, top, width, height) = letterbox(image, self._width, self._height)
        outputs = self._engine.run({self._input.name: self._scaled(boxed)})
        heatmaps, maxima = outputs[self._heatmaps][0], outputs[PEAKS][0] if self._has_peaks else None
        # NaN is below every threshold: a broken network would look like an empty scene.
        if not np.isfinite(heatmaps).all():
            raise EngineError("the network returned NaN or infinite values", where=self._engine.describe())
        people = parse(heatmaps, outputs[self._fields][0], self._network, maxima)[:, self._order]
        people[..., 0] = (people[..., 0] * self._width - left) * (image.shape[1] / width)
        people[..., 1] = (people[..., 1] * self._height - top) * (image.shape[0] / height)
        people[..., 2] = np.where(people[..., 2] >= self._min_joint_score, np.minimum(people[..., 2], 1), 0)
        people = people[(people[..., 2] > 0).sum(axis=1) >= MIN_JOINTS]
        scores = people[..., 2].mean(axis=1)
        return [Pose(people[n], float(scores[n])) for n in np.argsort(-scores)[: self._max_people]]

    def network_input(self, image: Image) -> NDArray[Any]:
        """What the network gets for an image."""
        return self._scaled(letterbox(image, self._width, self._height)[0])

    def _scaled(self, boxed: Image) -> NDArray[Any]:
        if self._takes_uint8:
            return boxed[None]
        planes = np.ascontiguousarray(boxed[..., ::-1].transpose(2, 0, 1), np.float32)
        planes -= self._mean[:, None, None]
        planes *= self._scale[:, None, None]
        return planes[None]


def parse(heatmaps: Float32, fields: Float32, network: PoseNetwork, maxima: Float32 | None = None) -> Float32:
    """People (P, K, 3), x and y in 0..1 of the input, from heatmaps (K or K + 1, h, w) and fields (2 L, h, w).

    maxima: the heatmaps at their local maxima, 0 elsewhere, from a network that finds them itself.
    """
    joints = len(network.joints)
    peaks = find_peaks(heatmaps[:joints], maxima=None if maxima is None else maxima[:joints])
    return assemble(peaks, match_joints(fields, peaks, network.links))


def letterbox(image: Image, width: int, height: int) -> tuple[Image, tuple[int, int, int, int]]:
    """Resize an image into (height, width, 3), keeping its aspect ratio, with black bars on two sides.

    Also returns the image's left, top, width and height in pixels. Width and height are rounded, so mapping back must
    use them and not the scale: with 149 rows for 149.45 a foot would be found a pixel too high.
    """
    scale = min(width / image.shape[1], height / image.shape[0])
    size = (max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale)))
    small = cv2.resize(image, size, interpolation=cv2.INTER_LINEAR)
    left, top = (width - size[0]) // 2, (height - size[1]) // 2
    boxed = np.zeros((height, width, 3), np.uint8)
    boxed[top : top + size[1], left : left + size[0]] = small
    return boxed, (left, top, *size)
