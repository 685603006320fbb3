"""Virtual cameras: how a 3-D recording would look to a pinhole camera placed somewhere around it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge.contract.types import Float32
from train.data.clip import Recording, SkeletonClip

FOCAL_PX = 1000.0
CENTRE_PX = 500.0
"""A 1000 x 1000 picture with a 53 degree view. Only proportions matter: clips are normalised later."""
NEAREST_M = 1.5
"""Who walks towards the camera comes no nearer: it stands farther back instead."""


def project(
    joints: NDArray[np.float32], seen: NDArray[np.bool_], yaw: float, pitch: float, distance_m: float
) -> NDArray[np.float32]:
    """(M, S, V, 3) metres, seen (M, S, V) -> (M, S, V, 2) pixels of a camera circling the people.

    yaw: radians around the vertical, 0 keeps the recording's own view; pitch: radians, positive
    looks down from above; distance_m: from the camera to the middle of everything seen, more where someone
        would come nearer than NEAREST_M.
    """
    middle = joints[seen].mean(axis=0) if seen.any() else np.zeros(3, np.float32)
    x, y, z = np.moveaxis(joints - middle, -1, 0)
    x, z = np.cos(yaw) * x - np.sin(yaw) * z, np.sin(yaw) * x + np.cos(yaw) * z
    y, z = np.cos(pitch) * y + np.sin(pitch) * z, np.cos(pitch) * z - np.sin(pitch) * y
    nearest = z[seen].min() if seen.any() else 0.0
    depth = z + max(distance_m, NEAREST_M - nearest)
    depth = np.where(seen, depth, 1.0)  # what was not seen may lie anywhere
    return np.stack([FOCAL_PX * x / depth + CENTRE_PX, CENTRE_PX - FOCAL_PX * y / depth], axis=-1).astype(np.float32)


def random_view(rng: np.random.Generator, max_yaw: float, max_pitch: float) -> tuple[float, float, float]:
    """(yaw, pitch, distance) of a camera a person may stand before: uniform within the limits, 2.5 to 5 m off."""
    return (
        float(rng.uniform(-max_yaw, max_yaw)),
        float(rng.uniform(-max_pitch / 3, max_pitch)),
        float(rng.uniform(2.5, 5.0)),
    )


@dataclass(frozen=True)
class View:
    """From where a performance is seen; one view serves all recordings of it.

    camera: yaw, pitch and distance as :func:`project` has them, needed for what is in 3-D. It circles the
    middle of each recording by itself, for sensors seldom share their axes' origin.
    roll: radians by which the picture is turned.
    """

    camera: tuple[float, float, float] | None = None
    roll: float = 0.0

    def keypoints(self, recording: SkeletonClip | Recording) -> Float32:
        """(M, S, V, 3): x and y in pixels, and 1 where the joint was seen; (0, 0, 0) elsewhere."""
        xy, seen = recording.joints, recording.seen
        if xy.shape[-1] == 3:
            assert self.camera is not None
            xy = project(xy, seen, *self.camera)
        if self.roll:
            cos, sin = np.cos(self.roll), np.sin(self.roll)
            xy = xy @ np.array([[cos, -sin], [sin, cos]], np.float32).T
        return np.concatenate([np.where(seen[..., None], xy, 0), seen[..., None]], axis=-1).astype(np.float32)
