"""The interface of pose estimators: an image in, poses out."""

from __future__ import annotations

from typing import Protocol

from edge.contract.layouts import JointLayout
from edge.contract.types import Image, Pose


class PoseEstimator(Protocol):
    """A pose network with its preprocessing and postprocessing.

    layout: joints of the poses.
    network_s: seconds spent inside networks so far, so that the loop can separate its own time.
    describe: one phrase with network, runtime and precision.
    estimate: poses of all bodies in a (H, W, 3) uint8 BGR image, most certain first; an empty list if there are none.
        An estimator may keep state between images, so it must be given the frames of one source in order.
        time_s: of the frame, for work that is done at intervals; without it that work is done in every frame.
    """

    layout: JointLayout

    @property
    def network_s(self) -> float: ...

    def describe(self) -> str: ...

    def estimate(self, image: Image, time_s: float | None = None) -> list[Pose]: ...

    def close(self) -> None: ...
