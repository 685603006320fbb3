"""The landmark network of BlazePose: 33 joints of the one body in an upright region.

Sources: the BlazePose GHUM 3D model card and the parameters in MediaPipe's pose landmark graph.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edge.contract.errors import EngineError
from edge.contract.types import Float32, Image
from edge.engines.engine import Engine, bind
from edge.pose.crop import crop
from edge.pose.region import Region, upright


@dataclass(frozen=True)
class Landmarks:
    """One body as the network sees it.

    presence: probability that there is a body in the region. region: where to look in the next frame.
    keypoints: (33, 3) float32, x and y in pixels of the frame, visibility 0..1, 0 for a joint that is not seen.
    """

    presence: float
    keypoints: Float32
    region: Region


class LandmarkNetwork:
    """Joints of the bodies in regions of an image. size: the network's input is so many pixels wide and high.

    engine: of :func:`edge.pose.blazepose_layers.landmark_layers`. max_bodies: regions at once, at most. What the
    network reads and writes for each is memory taken and touched once: fresh memory of this size costs a page fault for
    every four kilobytes, and a loop that runs for weeks must not grow.
    """

    def __init__(self, engine: Engine, max_bodies: int) -> None:
        reads, gives = ({spec.name: spec for spec in specs} for specs in (engine.inputs, engine.outputs))
        if reads.keys() != {"image", "axes"} or gives.keys() != {"joints", "body"}:
            raise EngineError("not a BlazePose landmark network with its layers", where=engine.describe())
        self.size = reads["image"].shape[1] or 0
        arrays = {
            name: np.full((max_bodies, *(n or 1 for n in spec.shape[1:])), 0, spec.dtype)
            for name, spec in (reads | gives).items()
        }
        self._images, self._axes = arrays["image"], arrays["axes"].reshape(max_bodies, -1)
        self._joints, self._bodies = arrays["joints"], arrays["body"]
        self._runs = [
            bind(engine, *({name: arrays[name][n : n + 1] for name in specs} for specs in (reads, gives)))
            for n in range(max_bodies)
        ]

    def locate(self, image: Image, regions: Sequence[Region]) -> list[Landmarks]:
        """One body for each region; the network runs for each, what comes before and after it once for all.

        A run takes image and code out of the processor's caches: what is cut between two of them takes twice as long.
        """
        bodies = len(regions)
        for n, region in enumerate(regions):
            crop(image, region, self.size, repeat_border=True, into=self._images[n])
            self._axes[n] = region.axes
        for run in self._runs[:bodies]:
            run()
        # The arrays are written into again, and who is followed from frame to frame keeps what was found.
        joints = self._joints[:bodies].copy()
        return [
            Landmarks(presence, own, upright((x, y), (rim_x, rim_y)))
            for (presence, x, y, rim_x, rim_y), own in zip(self._bodies[:bodies].tolist(), joints, strict=True)
        ]
