"""Virtual pinhole cameras: project 3-D recordings to 2-D."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge.contract.types import Float32
from train.data.clip import Recording, SkeletonClip

FOCAL_PX = 1000.0
CENTRE_PX = 500.0
"""A 1000 x 1000 image with a field of view of 53 degrees. Clips are normalised later, so the scale does not matter."""
NEAREST_M = 1.5
"""Smallest depth of a joint; the camera moves back where somebody would come nearer."""


def project(
    joints: NDArray[np.float32], seen: NDArray[np.bool_], yaw: float, pitch: float, distance_m: float
) -> NDArray[np.float32]:
    """Project joints (M, S, V, 3) in metres, seen (M, S, V), to pixels (M, S, V, 2) of a camera orbiting the people.

    yaw: radians around the vertical, 0 is the recording's own view. pitch: radians, positive looks down.
    distance_m: from the camera to the mean of all seen joints; larger where a joint would be nearer than NEAREST_M.
    """
    middle = joints[seen].mean(axis=0) if seen.any() else np.zeros(3, np.float32)
    x, y, z = np.moveaxis(joints - middle, -1, 0)
    x, z = np.cos(yaw) * x - np.sin(yaw) * z, np.sin(yaw) * x + np.cos(yaw) * z
    y, z = np.cos(pitch) * y + np.sin(pitch) * z, np.cos(pitch) * z - np.sin(pitch) * y
    nearest = z[seen].min() if seen.any() else 0.0
    depth = z + max(distance_m, NEAREST_M - nearest)
    depth = np.where(seen, depth, 1.0)  # unseen joints may lie anywhere
    return np.stack([FOCAL_PX * x / depth + CENTRE_PX, CENTRE_PX - FOCAL_PX * y / depth], axis=-1).astype(np.float32)


def random_view(rng: np.random.Generator, max_yaw: float, max_pitch: float) -> tuple[float, float, float]:
    """Draw (yaw, pitch, distance): uniform, pitch from -max_pitch / 3 to max_pitch, distance 2.5 to 5 m."""
    yaw, pitch, distance = rng.uniform((-max_yaw, -max_pitch / 3, 2.5), (max_yaw, max_pitch, 5.0)).tolist()
    return yaw, pitch, distance


@dataclass(frozen=True)
class View:
    """The viewpoint from which all recordings of one performance are seen.

    camera: yaw, pitch and distance, see :func:`project`; required for 3-D recordings. It orbits the centre of each
    recording separately, because sensors seldom share an origin. roll: rotation of the image in radians.
    """

    camera: tuple[float, float, float] | None = None
    roll: float = 0.0

    def keypoints(self, recording: SkeletonClip | Recording) -> Float32:
        """(M, S, V, 3): x and y in pixels and 1 where the joint was seen, else (0, 0, 0)."""
        xy, seen = recording.joints, recording.seen
        if xy.shape[-1] == 3:
            assert self.camera is not None
            xy = project(xy, seen, *self.camera)
        if self.roll:
            cos, sin = np.cos(self.roll), np.sin(self.roll)
            xy = xy @ np.array([[cos, -sin], [sin, cos]], np.float32).T
        return np.concatenate([np.where(seen[..., None], xy, 0), seen[..., None]], axis=-1).astype(np.float32)
