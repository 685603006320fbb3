"""What every pose estimator is: an image in, bodies out."""

from __future__ import annotations

from typing import Protocol

from edge.contract.layouts import JointLayout
from edge.contract.types import Image, Pose


class PoseEstimator(Protocol):
    """A pose network with what it needs before and after.

    layout: the joints of the poses it gives.
    network_s: seconds spent inside networks so far, so that the loop can tell its own time apart.
    describe: one phrase with network, runtime and precision.
    estimate: poses of all bodies in a (H, W, 3) uint8 BGR image, most certain first; an empty
        list where nobody is in view. An estimator may remember the last image; it must be given
        the frames of one source, in order. time_s: when it was taken, for what is done only so often;
        without, it is done in every frame.
    """

    layout: JointLayout

    @property
    def network_s(self) -> float: ...

    def describe(self) -> str: ...

    def estimate(self, image: Image, time_s: float | None = None) -> list[Pose]: ...

    def close(self) -> None: ...
