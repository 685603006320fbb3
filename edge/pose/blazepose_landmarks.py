"""The landmark network of BlazePose: 33 joints of one body in its region.

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
from edge.pose.region import Region, body_region


@dataclass(frozen=True)
class Landmarks:
    """The network's output for one region.

    presence: probability that the region shows a body. region: the body's region in the next frame.
    keypoints: (33, 3) float32, x and y in pixels of the frame, visibility 0..1, 0 for a joint that is not seen.
    """

    presence: float
    keypoints: Float32
    region: Region


class LandmarkNetwork:
    """Locates joints of the bodies in regions of an image. size: width and height of the network's input.

    engine: a network from :func:`edge.pose.blazepose_layers.landmark_layers`. max_bodies: greatest number of regions
    at once. Inputs and outputs for all of them are allocated and touched once: new memory costs a page fault for every
    four kilobytes, and a loop that runs for weeks must not grow.
    """

    def __init__(self, engine: Engine, max_bodies: int) -> None:
        inputs, outputs = ({spec.name: spec for spec in specs} for specs in (engine.inputs, engine.outputs))
        if inputs.keys() != {"image", "axes"} or outputs.keys() != {"joints", "body"}:
            raise EngineError("not a BlazePose landmark network with the added layers", where=engine.describe())
        self.size = inputs["image"].shape[1] or 0
        arrays = {
            name: np.full((max_bodies, *(n or 1 for n in spec.shape[1:])), 0, spec.dtype)
            for name, spec in (inputs | outputs).items()
        }
        self._images, self._axes = arrays["image"], arrays["axes"].reshape(max_bodies, -1)
        self._joints, self._bodies = arrays["joints"], arrays["body"]
        self._runs = [
            bind(engine, *({name: arrays[name][n : n + 1] for name in specs} for specs in (inputs, outputs)))
            for n in range(max_bodies)
        ]

    def locate(self, image: Image, regions: Sequence[Region]) -> list[Landmarks]:
        """One body for each region, from one run of the network each.

        All regions are cropped before the first run: a run evicts image and code from the processor's caches, and
        cropping after it takes twice as long.
        """
        bodies = len(regions)
        for n, region in enumerate(regions):
            crop(image, region, self.size, repeat_border=True, into=self._images[n])
            self._axes[n] = region.axes
        for run in self._runs[:bodies]:
            run()
        joints = self._joints[:bodies].copy()  # the next frame overwrites the array
        return [
            Landmarks(presence, keypoints, body_region((x, y), (rim_x, rim_y)))
            for (presence, x, y, rim_x, rim_y), keypoints in zip(self._bodies[:bodies].tolist(), joints, strict=True)
        ]
