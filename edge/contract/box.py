"""Bounding boxes of bodies in an image."""

from __future__ import annotations

import numpy as np

from edge.contract.types import Float32

Box = tuple[float, float, float, float]
"""Left, top, right, bottom in pixels."""


def bounding_box(keypoints: Float32) -> Box:
    """The box around the seen joints of keypoints (V, 3), at least one of which must be seen."""
    seen = keypoints[keypoints[:, 2] > 0, :2]
    left, top, right, bottom = np.concatenate([seen.min(axis=0), seen.max(axis=0)]).tolist()
    return left, top, right, bottom
